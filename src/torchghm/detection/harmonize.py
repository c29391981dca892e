"""Swap the losses of a detector that is already built."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.ssd import SSD

from torchghm.detection.detectors.faster_rcnn import HarmonizedFasterRCNN, HarmonizedMaskRCNN
from torchghm.detection.detectors.fcos import HarmonizedFCOS
from torchghm.detection.detectors.harmonized import HarmonizedDetector, LossPlan, Stage
from torchghm.detection.detectors.retinanet import HarmonizedRetinaNet
from torchghm.detection.detectors.ssd import HarmonizedSSD
from torchghm.detection.examples.batch_examples import DetectionExamples
from torchghm.detection.examples.scope import Scope, check_options, check_scope
from torchghm.functional.arguments import check_choice, check_flag

Detector = TypeVar("Detector", bound=nn.Module)

HARMONIZED: dict[type[nn.Module], type[HarmonizedDetector]] = {
    RetinaNet: HarmonizedRetinaNet,
    FCOS: HarmonizedFCOS,
    SSD: HarmonizedSSD,
    FasterRCNN: HarmonizedFasterRCNN,
    MaskRCNN: HarmonizedMaskRCNN,
}
"""Ours for each of torchvision's."""
_HOSTS = {ours: theirs for theirs, ours in HARMONIZED.items()}


def harmonize(
    model: Detector,
    cls_loss: nn.Module | None = None,
    box_loss: nn.Module | None = None,
    *,
    scope: Scope = "batch",
    stage: Stage | None = None,
    background_channel: bool = False,
) -> Detector:
    """Give a torchvision detector harmonized losses, in place.

    The losses become submodules ``model.cls_loss`` and ``model.box_loss`` (of the two heads in a Faster R-CNN): they
    move with the model and are saved with it. Calling it again replaces them; `restore` brings torchvision's own back.
    The detector may still be pickled and deep-copied. A target's ``ignored_boxes`` [n, 4] (crowds, difficult objects)
    mask the losses, torchvision's own too: an anchor that matches no object and of which one of them holds half or more
    is no example. docs/detectors.md says what is replaced in which detector.

    Arguments:
        model: a RetinaNet, FCOS, SSD, FasterRCNN or MaskRCNN of ``torchvision.models.detection``, built by whomever.
        cls_loss: called with logits [B, A, K] and integer targets [B, A] (-1 background, -100 no example) of all images
            and levels; None keeps torchvision's. An SSD takes one of ``activation="softmax"`` too: logits
            [B, A, K + 1], background 0. A `QualityFocalLoss` gets the IoU of the predicted boxes for targets.
        box_loss: called with predicted and true encoded boxes [P, 4] of all positive anchors, in units of the anchor's
            size whatever the box coder's weights; None keeps torchvision's.
        scope: over which anchors the density is measured: ``"batch"`` (all images and levels), ``"level"`` (each level
            with a state of its own), ``"reference"`` (`ReferenceGHMC` and `ReferenceGHMR` called once a level with one
            state, as the published results were made). The second stage of a Faster R-CNN has no levels.
        stage: for a Faster or Mask R-CNN alone, where the losses go: ``"both"``, which None stands for (``cls_loss`` to
            the RPN, ``box_loss`` to the RPN and a copy of it to the RoI heads, whose classes keep torchvision's
            loss), ``"rpn"``, or ``"roi"`` (there ``cls_loss`` has ``activation="softmax"`` and sees the sampled
            proposals of all images in one row, [1, R, K + 1]).
        background_channel: for RetinaNet and FCOS, the labels start at 1 and channel 0 is never positive, as in
            torchvision's COCO weights: leave the channel out of ``cls_loss`` and of detections. torchvision's own
            loss keeps it. The other heads have a background by construction.

    Returns:
        ``model``, its class now a subclass of the one it had.

    Raises:
        TypeError: a model that is not known.
        ValueError: a loss without the scope asked for, an option that the detector does not have, or a loss with
            options that its logits don't fit.

    Examples:
        >>> from torchvision.models.detection import retinanet_resnet50_fpn
        >>> import torchghm
        >>> model = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3)
        >>> model = harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss())
        >>> type(model.cls_loss).__name__
        'GHMCLoss'
    """
    ours = _harmonized_class(model)
    check_choice("scope", scope, ("batch", "level", "reference"))
    if not ours.stages and stage is not None:
        raise ValueError(
            f"Expected no argument `stage` for a {_HOSTS[ours].__name__}, which has one, but got {stage!r}."
        )
    if stage is None:
        stage = "both"
    check_choice("stage", stage, ours.stages or ("both",))
    check_flag("background_channel", background_channel)
    if background_channel and ours.has_background_column:
        raise ValueError(
            f"Expected no argument `background_channel` for a {_HOSTS[ours].__name__}, whose column 0 is the "
            "background's in any case, but got True."
        )
    if stage == "roi" and scope != "batch":
        raise ValueError(
            f"Expected scope='batch' with stage='roi', but got {scope!r}: proposals lie on no level of the pyramid."
        )
    check_options(cls_loss, box_loss, ours.activations(stage))
    check_scope(cls_loss, box_loss, scope)
    observer = model.observer if isinstance(model, HarmonizedDetector) else None
    detector = cast(HarmonizedDetector, restore(model))
    for name, (_, part) in ours.parts.items():
        getattr(detector, name).__class__ = part
    detector.__class__ = ours
    detector.attach(LossPlan(cls_loss, box_loss, scope, stage, background_channel))
    if observer is not None:
        detector.observer = observer
    return model


def restore(model: Detector) -> Detector:
    """Give a harmonized detector torchvision's own losses back, in place.

    Arguments:
        model: made by `harmonize`; any other model stays as it is.

    Returns:
        ``model``, its class torchvision's again.

    Examples:
        >>> from torchvision.models.detection import retinanet_resnet50_fpn
        >>> import torchghm
        >>> model = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3)
        >>> type(restore(harmonize(model, torchghm.GHMCLoss()))).__name__
        'RetinaNet'
    """
    if isinstance(model, HarmonizedDetector) and type(model) in _HOSTS:
        model.detach()
        for name, (part, _) in model.parts.items():
            getattr(model, name).__class__ = part
        model.__class__ = _HOSTS[type(model)]  # type: ignore[assignment]
    return model


def detection_examples(model: nn.Module, images: list[Tensor], targets: list[dict[str, Tensor]]) -> DetectionExamples:
    """Return what the losses of a harmonized detector would see of these images; their states stay as they are.

    The detector runs in its own mode: in training, batch norm that is not frozen takes the images in.

    Arguments:
        model: made by `harmonize`.
        images: [3, H, W] floats in [0, 1] each.
        targets: ``boxes`` [n, 4] xyxy in pixels and ``labels`` [n] int64 each.

    Returns:
        Of a Faster R-CNN those of the RPN, or with ``stage="roi"`` the sampled proposals.

    Raises:
        TypeError: a model that is not harmonized.

    Examples:
        >>> import torch
        >>> import torchghm
        >>> from torchghm.detection import build_detector
        >>> model = build_detector("retinanet", num_classes=2, backbone="resnet18", image_size=(64, 64))
        >>> model = harmonize(model, torchghm.GHMCLoss()).eval()
        >>> target = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "labels": torch.tensor([1])}
        >>> examples = detection_examples(model, [torch.rand(3, 64, 64)], [target])
        >>> examples.logits.shape  # 774 anchors, 2 classes
        torch.Size([1, 774, 2])
    """
    if not isinstance(model, HarmonizedDetector):
        raise TypeError(f"Expected argument `model` to be a detector made by `harmonize`, but got {type(model)}.")
    model.check_labels(targets)
    return model.loss_examples(images, targets)


def _harmonized_class(model: nn.Module) -> type[HarmonizedDetector]:
    """Return our class for this model, whose class and parts have to be torchvision's own or ours."""
    kind = type(model)
    ours = HARMONIZED.get(kind)
    if ours is None and isinstance(model, HarmonizedDetector) and kind in _HOSTS:
        ours = type(model)
    if ours is None:
        known = ", ".join(host.__name__ for host in HARMONIZED)
        raise TypeError(
            f"Expected argument `model` to be one of torchvision.models.detection's {known}, "
            f"but got {kind.__module__}.{kind.__qualname__}. A subclass may override what would be replaced: harmonize "
            "torchvision's own and derive from what it becomes, for example torchghm.detection.HarmonizedRetinaNet."
        )
    for name, classes in ours.parts.items():
        part = type(getattr(model, name))
        if part not in classes:
            raise TypeError(
                f"Expected `model.{name}` to be a torchvision {classes[0].__name__}, "
                f"but got {part.__module__}.{part.__qualname__}, which may override what would be replaced."
            )
    return ours
