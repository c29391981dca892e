"""Swap the losses of a detector that is already built."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import Tensor, nn
from torchvision.models.detection import RetinaNet

from torchghm.detection.examples import DetectionExamples, remember_geometry
from torchghm.detection.retinanet import HarmonizedRetinaNet, retinanet_examples
from torchghm.detection.scope import LevelLosses, Scope, check_options, check_scope
from torchghm.functional.examples import check_choice
from torchghm.losses.harmonized import HarmonizedLoss

Detector = TypeVar("Detector", bound=nn.Module)
_OWN = ("cls_loss", "box_loss", "background_channel", "ignore_padding")


def harmonize(
    model: Detector,
    cls_loss: nn.Module | None = None,
    box_loss: nn.Module | None = None,
    *,
    scope: Scope = "batch",
    background_channel: bool = False,
    ignore_padding: bool = True,
) -> Detector:
    """Give a torchvision detector harmonized losses, in place.

    The losses become submodules ``model.cls_loss`` and ``model.box_loss``: they move with the model and are saved with
    it. Calling it again replaces them; `restore` brings torchvision's own back. The detector may still be pickled and
    deep-copied.

    Arguments:
        model: a ``torchvision.models.detection.RetinaNet``, built by whomever.
        cls_loss: called with logits [B, A, K] and integer targets [B, A] (-1 background, -100 no example) of all images
            and levels; None keeps torchvision's.
        box_loss: called with predicted and true encoded boxes [P, 4] of all positive anchors, in units of the anchor's
            size whatever the box coder's weights; None keeps torchvision's.
        scope: over which anchors the density is measured: ``"batch"`` (all images and levels), ``"level"`` (each level
            with a state of its own), ``"reference"`` (`ReferenceGHMC` and `ReferenceGHMR` called once a level with one
            state, as the published results were made).
        background_channel: the labels start at 1 and channel 0 is never positive, as in torchvision's COCO weights:
            leave the channel out.
        ignore_padding: leave out anchors whose centre lies in the padding of a batch of unlike images.

    Returns:
        ``model``, its class now a subclass of the one it had.

    Raises:
        TypeError: a model that is not known.
        ValueError: a loss without the scope asked for, or with options that a detector's logits don't fit.

    Example:
        >>> from torchvision.models.detection import retinanet_resnet50_fpn
        >>> import torchghm
        >>> model = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3)
        >>> model = harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss())
        >>> type(model.cls_loss).__name__
        'GHMCLoss'
    """
    if type(model) not in (RetinaNet, HarmonizedRetinaNet):
        raise TypeError(
            "Expected argument `model` to be a torchvision.models.detection.RetinaNet, "
            f"but got {type(model).__module__}.{type(model).__qualname__}. A subclass may override what would be "
            "replaced: harmonize a RetinaNet and derive from torchghm.detection.HarmonizedRetinaNet instead."
        )
    check_choice("scope", scope, ("batch", "level", "reference"))
    check_options(cls_loss, box_loss)
    check_scope(cls_loss, box_loss, scope)
    if scope == "level":
        levels = len(cast(RetinaNet, model).anchor_generator.sizes)
        cls_loss = LevelLosses(cls_loss, levels) if isinstance(cls_loss, HarmonizedLoss) else cls_loss
        box_loss = LevelLosses(box_loss, levels) if isinstance(box_loss, HarmonizedLoss) else box_loss
    if type(model) is RetinaNet:
        model.__class__ = HarmonizedRetinaNet
        cast(RetinaNet, model).anchor_generator.register_forward_hook(remember_geometry)
    for name, value in zip(_OWN, (cls_loss, box_loss, background_channel, ignore_padding), strict=True):
        setattr(model, name, value)
    return model


def restore(model: Detector) -> Detector:
    """Give a harmonized detector torchvision's own losses back, in place."""
    if type(model) is HarmonizedRetinaNet:
        model.__class__ = RetinaNet
        hooks = cast(RetinaNet, model).anchor_generator._forward_hooks
        for handle in [handle for handle, hook in hooks.items() if hook is remember_geometry]:
            del hooks[handle]
        for name in _OWN:
            delattr(model, name)
    return model


def detection_examples(model: nn.Module, images: list[Tensor], targets: list[dict[str, Tensor]]) -> DetectionExamples:
    """What the losses of a harmonized detector would see of these images; nothing is updated by it.

    Arguments:
        model: made by `harmonize`.
        images: [3, H, W] floats in [0, 1] each.
        targets: ``boxes`` [n, 4] xyxy in pixels and ``labels`` [n] int64 each.

    Raises:
        TypeError: a model that is not harmonized.
    """
    if not isinstance(model, HarmonizedRetinaNet):
        raise TypeError(f"Expected argument `model` to be a detector made by `harmonize`, but got {type(model)}.")
    return retinanet_examples(model, images, targets)
