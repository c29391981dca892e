"""Build a detector: architecture, backbone, anchors, prior bias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torchvision.models import get_model
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from torchghm.functional.examples import check_choice, check_number

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnext101_32x8d", "resnext101_64x4d")
PYRAMID_LEVELS = 5
NORM_GROUPS = 32


def build_detector(
    name: Literal["retinanet"] = "retinanet",
    *,
    num_classes: int,
    backbone: str = "resnet50",
    weights: str | Path = "none",
    image_size: tuple[int, int] = (800, 1333),
    anchor_sizes: Sequence[float] = (32, 64, 128, 256, 512),
    aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
    pyramid_channels: int = 256,
    head_norm: Literal["none", "group"] = "none",
    prior: float = 0.01,
    trainable_layers: int | None = None,
    score_threshold: float = 0.05,
    detections_per_image: int = 100,
) -> RetinaNet:
    """Build a torchvision detector for ``num_classes`` classes without a background class (labels 0..K-1).

    Arguments:
        name: ``"retinanet"`` (Lin et al., ICCV 2017), with FPN levels P3 to P7.
        num_classes: K, at least 1.
        backbone: one of resnet18, resnet34, resnet50, resnet101, resnext101_32x8d, resnext101_64x4d.
        weights: ``"none"``, ``"torchvision"`` (ImageNet weights, loaded over the network once), or the path of a
            classifier's state dict. Batch norm is frozen where weights are loaded, and trained where not.
        image_size: (height, width) in pixels that images are scaled to fit, their aspect kept; the shorter side fits
            the smaller number and the longer side the larger, whichever way the image lies.
        anchor_sizes: side in pixels of the anchors of each of 5 levels; each comes in scales 1, 2^(1/3) and 2^(2/3).
        aspect_ratios: height / width of the anchors.
        pyramid_channels: width of the pyramid and of the heads, at least 1; 256 as published, less for small machines.
        head_norm: ``"group"`` puts group norm (32 groups) into the heads, as torchvision's second RetinaNet does: from
            scratch it trains much faster. ``"none"`` as published.
        prior: probability that every class starts with, in (0, 1): bias -log((1 - prior) / prior) of the last layer.
        trainable_layers: stages of the backbone that are trained, 0 to 5; by default 3 with weights and 5 without.
        score_threshold: detections below it are dropped, in [0, 1).
        detections_per_image: kept after non-maximum suppression.

    Returns:
        A ``torchvision.models.detection.RetinaNet``; `harmonize` gives it its losses.

    Raises:
        ValueError: an argument out of range, or a weights file that does not fit the backbone.
        FileNotFoundError: no such weights file.

    Example:
        >>> model = build_detector("retinanet", num_classes=3, backbone="resnet18", image_size=(240, 320))
        >>> model.head.classification_head.num_classes
        3
    """
    check_choice("name", name, ("retinanet",))
    check_choice("backbone", backbone, BACKBONES)
    check_number("num_classes", num_classes, "an integer of at least 1", ok=num_classes >= 1)
    check_number("pyramid_channels", pyramid_channels, "an integer of at least 1", ok=pyramid_channels >= 1)
    check_choice("head_norm", head_norm, ("none", "group"))
    if head_norm == "group" and pyramid_channels % NORM_GROUPS:
        raise ValueError(
            f"Expected argument `pyramid_channels` to be a multiple of {NORM_GROUPS} with head_norm='group', "
            f"but got {pyramid_channels}."
        )
    check_number("prior", prior, "a number in (0, 1)", ok=0 < prior < 1)
    if len(anchor_sizes) != PYRAMID_LEVELS:
        raise ValueError(
            f"Expected argument `anchor_sizes` to hold one size for each of the {PYRAMID_LEVELS} levels, "
            f"but got {list(anchor_sizes)}."
        )
    scratch = str(weights) == "none"
    layers = trainable_layers if trainable_layers is not None else (5 if scratch else 3)
    check_number("trainable_layers", layers, "an integer from 0 to 5", ok=0 <= layers <= 5)
    anchors = AnchorGenerator(
        sizes=tuple(tuple(round(size * 2 ** (step / 3)) for step in range(3)) for size in anchor_sizes),
        aspect_ratios=(tuple(aspect_ratios),) * PYRAMID_LEVELS,
    )
    model = RetinaNet(
        _pyramid(_trunk(backbone, weights), layers, pyramid_channels),
        num_classes,
        min_size=min(image_size),
        max_size=max(image_size),
        anchor_generator=anchors,
        head=RetinaNetHead(
            pyramid_channels,
            anchors.num_anchors_per_location()[0],
            num_classes,
            norm_layer=partial(nn.GroupNorm, NORM_GROUPS) if head_norm == "group" else None,
        ),
        score_thresh=score_threshold,
        detections_per_img=detections_per_image,
    )
    nn.init.constant_(model.head.classification_head.cls_logits.bias, -math.log((1 - prior) / prior))
    return model


def _pyramid(trunk: nn.Module, trainable_layers: int, channels: int) -> nn.Module:
    """Levels P3 to P7 on the trunk's stages, of which only the last ones are trained."""
    stages = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable_layers]
    if trainable_layers == 5:
        stages.append("bn1")
    for name, parameter in trunk.named_parameters():
        if not name.startswith(tuple(stages)):
            parameter.requires_grad_(False)
    width = trunk.inplanes // 8  # type: ignore[operator]
    return BackboneWithFPN(  # type: ignore[no-any-return]
        trunk,
        return_layers={"layer2": "0", "layer3": "1", "layer4": "2"},
        in_channels_list=[width * 2, width * 4, width * 8],
        out_channels=channels,
        extra_blocks=LastLevelP6P7(channels, channels),
    )


def _trunk(backbone: str, weights: str | Path) -> nn.Module:
    """The classifier that the pyramid is built on."""
    trunk: nn.Module
    if str(weights) == "none":
        return get_model(backbone, weights=None)  # type: ignore[no-any-return]
    if str(weights) == "torchvision":
        return get_model(backbone, weights="DEFAULT", norm_layer=FrozenBatchNorm2d)  # type: ignore[no-any-return]
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected argument `weights` to be 'none', 'torchvision' or the file of a {backbone}, but got {path}, "
            "which is not a file."
        )
    trunk = get_model(backbone, weights=None, norm_layer=FrozenBatchNorm2d)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"Expected the weights file {path} to hold a state dict, but it can't be read: {error}"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"Expected the weights file {path} to hold a state dict, but got {type(state).__name__}.")
    for name, value in trunk.state_dict().items():
        if name.startswith("fc."):
            state[name] = value  # the classifier's own classes are not ours
    try:
        # Frozen batch norm counts no batches: that key of a trained classifier is left over.
        trunk.load_state_dict(
            {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
        )
    except RuntimeError as error:
        raise ValueError(f"Expected the weights file {path} to fit a {backbone}, but {error}") from error
    return trunk
