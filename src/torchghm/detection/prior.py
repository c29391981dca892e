"""The probability that a detector starts with: it decides whether GHM-C sees anything but one crowded region."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.ssd import SSD

from torchghm.functional.arguments import check_number

Detector = TypeVar("Detector", bound=nn.Module)


def set_prior(model: Detector, prior: float) -> Detector:
    """Set the biases of a new detector so that every class starts with the probability ``prior``, in place.

    With zero biases, as torchvision builds SSD and the RPN, all examples share one region of the gradient norm, and
    objects get the share of the gradient that plain cross entropy gives them.

    - RetinaNet, FCOS: every class, b = log(prior / (1 - prior)).
    - SSD: every class the same b, the background b + log(1 / prior - K), which makes prior the probability of a class
      by the sigmoid and by the softmax alike.
    - Faster and Mask R-CNN: the RPN's objectness. The second stage is left alone.

    Arguments:
        model: a RetinaNet, FCOS, SSD, FasterRCNN or MaskRCNN of ``torchvision.models.detection``, harmonized or not.
        prior: in (0, 1); for an SSD of K classes below 1 / K.

    Returns:
        ``model``.

    Raises:
        ValueError: a prior out of range.
        TypeError: a model that is not known.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section 3.3.

    Examples:
        >>> from torchvision.models.detection import ssdlite320_mobilenet_v3_large
        >>> model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)
        >>> model = set_prior(model, 0.01)  # 3 classes and the background
        >>> model.head.classification_head.module_list[0][1].bias[:4].softmax(0)
        tensor([0.9700, 0.0100, 0.0100, 0.0100], grad_fn=<...>)
    """
    check_number("prior", prior, "a number in (0, 1)", ok=lambda value: 0 < value < 1)
    bias = -math.log((1 - prior) / prior)
    head: Any = getattr(model, "head", None)
    if isinstance(model, RetinaNet | FCOS):
        nn.init.constant_(head.classification_head.cls_logits.bias, bias)
    elif isinstance(model, FasterRCNN):
        nn.init.constant_(model.rpn.head.cls_logits.bias, bias)
    elif isinstance(model, SSD):
        _set_ssd_prior(head.classification_head, prior, bias)
    else:
        raise TypeError(
            "Expected argument `model` to be a RetinaNet, FCOS, SSD, FasterRCNN or MaskRCNN of "
            f"torchvision.models.detection, but got {type(model).__module__}.{type(model).__qualname__}."
        )
    return model


@torch.no_grad()
def _set_ssd_prior(head: Any, prior: float, bias: float) -> None:
    classes = head.num_columns - 1
    check_number(
        "prior",
        prior,
        f"below 1 / {classes}, the share of each of {classes} classes",
        ok=lambda value: value * classes < 1,
    )
    for level in head.module_list:
        last: Any = level if isinstance(level, nn.Conv2d) else level[-1]  # SSDLite: a depthwise convolution is first
        columns = last.bias.view(-1, head.num_columns)
        columns.fill_(bias)
        columns[:, 0] += math.log(1 / prior - classes)
