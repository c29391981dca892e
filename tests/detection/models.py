"""Every detector, small enough for a test, and a batch for it."""

from __future__ import annotations

import torch
from torch import nn

import torchghm
from torchghm.detection import build_detector, harmonize
from torchghm.detector_names import has_option

Batch = tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]
TINY_TIMM = "timm/test_efficientnet"  # some 360,000 parameters
LIGHT = ("fcos", "ssdlite320", "faster_rcnn")
"""One detector of each kind but RetinaNet, for what takes a while."""


def small_detector(name: str, num_classes: int = 3, **options) -> nn.Module:
    """A detector in training mode; RoI heads see few proposals, which is where their time goes."""
    if has_option(name, "backbone"):
        options = {"backbone": "resnet18", "pyramid_channels": 64, **options}
    if has_option(name, "image_size"):
        options = {"image_size": (64, 96), **options}
    torch.manual_seed(0)
    model = build_detector(name, num_classes=num_classes, **options)
    return few_proposals(model).train()


def few_proposals(model: nn.Module) -> nn.Module:
    if hasattr(model, "rpn"):
        model.rpn._post_nms_top_n = {"training": 12, "testing": 12}
        model.roi_heads.fg_bg_sampler.batch_size_per_image = 16
    return model


def small_batch(empty: bool = True) -> Batch:
    """Two images of 64 x 96 pixels with objects of the classes 0, 2 and 1; the second may be without any."""
    torch.manual_seed(1)
    images = [torch.rand(3, 64, 96), torch.linspace(0, 1, 96).expand(3, 64, 96) ** 4]
    targets = [
        {"boxes": torch.tensor([[4.0, 4, 40, 44], [30, 20, 90, 60]]), "labels": torch.tensor([0, 2])},
        {"boxes": torch.tensor([[5.0, 5, 50, 50]]), "labels": torch.tensor([1])},
    ]
    if empty:
        targets[1] = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
    return images, targets


def frozen(model: nn.Module) -> nn.Module:
    """Batch norm and dropout that do not depend on which images share a batch, nor on chance."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.Dropout):
            module.eval()
    return model


def harmonized(model: nn.Module, **options) -> nn.Module:
    return harmonize(model, torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(mu="auto"), **options)


def small_retinanet(**options) -> nn.Module:
    torch.manual_seed(0)
    return build_detector(num_classes=3, backbone="resnet18", image_size=(64, 96), **options).train()


def run_seeded(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    """The losses of a batch, with the same random choice of proposals every time."""
    torch.manual_seed(2)
    return model(*batch)
