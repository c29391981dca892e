"""The detector and the losses that a recipe describes."""

from __future__ import annotations

from urllib.error import URLError

import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from torchghm.detection import build_detector, harmonize
from torchghm.training.losses import DetectionLosses, build_losses
from torchghm.training.recipe import Recipe


def build(recipe: Recipe, num_classes: int, *, with_weights: bool = True) -> tuple[nn.Module, DetectionLosses]:
    """Build a harmonized detector; the same seed gives the same weights for every loss.

    Arguments:
        recipe: its `data.image_size`, `model`, `loss` and `seed` are read.
        num_classes: K, at least 1.
        with_weights: load the backbone's weights; without, the detector has their form only, to be filled from a
            checkpoint without a network or the weights' file.

    Raises:
        ValueError: weights that don't fit, losses without the scope asked for.
        FileNotFoundError: no such weights file.
        ConnectionError: weights that could not be downloaded.
    """
    model = recipe.model
    pretrained = model.weights != "none"
    trainable_layers = model.trainable_layers
    if trainable_layers is None:
        trainable_layers = 3 if pretrained else 5
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            detector: nn.Module = build_detector(
                model.detector,
                num_classes=num_classes,
                backbone=model.backbone,
                weights=model.weights if with_weights else "none",
                image_size=recipe.data.image_size,
                anchor_sizes=model.anchor_sizes,
                pyramid_channels=model.pyramid_channels,
                head_norm=model.head_norm,
                prior=model.prior,
                trainable_layers=trainable_layers,
            )
    except URLError as error:
        raise ConnectionError(
            f"model.weights: the weights of {model.backbone} could not be downloaded ({error.reason}): name a file of "
            "them, or none"
        ) from error
    if pretrained and not with_weights:
        _freeze_batch_norm(detector)
    losses = build_losses(recipe.loss)
    harmonize(detector, losses.cls_loss, losses.box_loss, scope=losses.scope)
    # The layout that convolutions compute in: otherwise each of them converts its input and output.
    return detector.to(memory_format=torch.channels_last), losses


def _freeze_batch_norm(module: nn.Module) -> None:
    """Replace batch norm by the frozen one that detectors with weights have."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, child.eps))
        else:
            _freeze_batch_norm(child)
