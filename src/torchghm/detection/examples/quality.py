"""How good every positive anchor's predicted box is: the target of a quality focal loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torchghm.detection.examples.batch_examples import IGNORED, BoxEncoding, DetectionExamples
from torchghm.functional.examples import compute_dtype

LARGEST_LOG_SIZE = math.log(1000 / 16)
"""Where torchvision clips the logarithm of a predicted side, too."""


@torch.no_grad()
def quality_targets(examples: DetectionExamples) -> tuple[Tensor, Tensor]:
    """Return a quality focal loss's targets: the predicted box's IoU with its object at the object's class, else 0.

    Arguments:
        examples: with sigmoid logits [B, A, K].

    Returns:
        targets: [B, A, K] floats in [0, 1], of the boxes' dtype but at least float32.
        weight: [B, A], 0 for an anchor that is no example.

    Source: Li et al., "Generalized Focal Loss", NeurIPS 2020, section 3.
    """
    quality = overlap(examples.predicted, examples.encoded, examples.encoding)
    targets = quality.new_zeros(examples.logits.shape)
    image, anchor = (examples.targets >= 0).nonzero(as_tuple=True)
    targets[image, anchor, examples.targets[image, anchor]] = quality
    return targets, (examples.targets != IGNORED).to(quality.dtype)


def overlap(predicted: Tensor, encoded: Tensor, encoding: BoxEncoding) -> Tensor:
    """Return the intersection over union of encoded boxes, [P] in [0, 1]; 0 where a box is not finite.

    The boxes stay in units of their anchor: stretching both of them alike leaves the IoU as it is.

    Arguments:
        predicted, encoded: [P, 4] in units of the anchor's size.
        encoding: of both.

    Examples:
        >>> overlap(torch.tensor([[0.5, 0.0, 0.0, 0.0]]), torch.zeros(1, 4), "center")  # shifted by half a side
        tensor([0.3333])
    """
    (left, top, right, bottom), (true_left, true_top, true_right, true_bottom) = (
        corners(boxes.to(compute_dtype(boxes)), encoding) for boxes in (predicted, encoded)
    )
    width = (torch.minimum(right, true_right) - torch.maximum(left, true_left)).clamp(min=0)
    height = (torch.minimum(bottom, true_bottom) - torch.maximum(top, true_top)).clamp(min=0)
    common = width * height
    union = (right - left) * (bottom - top) + (true_right - true_left) * (true_bottom - true_top) - common
    return (common / union.clamp(min=torch.finfo(union.dtype).tiny)).nan_to_num(nan=0.0).clamp(0, 1)


def decoded(boxes: Tensor, anchors: Tensor, encoding: BoxEncoding) -> Tensor:
    """Return boxes [P, 4] xyxy in the anchors' pixels.

    Arguments:
        boxes: [P, 4] encoded, in units of the anchor's size.
        anchors: [P, 4] xyxy.
        encoding: of the boxes.
    """
    middle, size = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    left, top, right, bottom = corners(boxes.to(compute_dtype(boxes)), encoding)
    starts, ends = torch.stack([left, top], dim=1), torch.stack([right, bottom], dim=1)
    return torch.cat([middle + starts * size, middle + ends * size], dim=1)


def corners(boxes: Tensor, encoding: BoxEncoding) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return left, top, right and bottom of encoded boxes [P, 4], beside the middle of their anchor of side 1."""
    first, second, third, fourth = boxes.unbind(1)
    if encoding == "sides":
        return -first, -second, third, fourth
    half_width = third.clamp(max=LARGEST_LOG_SIZE).exp() / 2
    half_height = fourth.clamp(max=LARGEST_LOG_SIZE).exp() / 2
    return first - half_width, second - half_height, first + half_width, second + half_height
