"""A detector as exporters take it: one image in, three tensors out, every operation with symbolic sizes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import boxes as box_ops

from torchghm.detection import HarmonizedDetector, restore
from torchghm.detection.examples.labels import LabelsFromZero

OUTPUTS = ("boxes", "scores", "labels")


class OneImageDetector(nn.Module):
    """A trained detector without its losses, called with one image.

    Arguments:
        detector: is copied.
    """

    def __init__(self, detector: HarmonizedDetector) -> None:
        super().__init__()
        self.detector: nn.Module = restore(copy.deepcopy(detector))
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find objects.

        Arguments:
            image: [3, height, width] in [0, 1].

        Returns:
            ``boxes`` [D, 4] as (x1, y1, x2, y2) in the image's pixels, ``scores`` [D] and ``labels`` [D] from 0.
        """
        found = self.detector([image])[0]
        boxes, scores, labels = (found[name] for name in OUTPUTS)
        return boxes, scores, labels


class SymbolicTransform(GeneralizedRCNNTransform):  # type: ignore[misc]
    """torchvision's scaling and padding of one image, without numbers of the example's size in its graph."""

    def resize(self, image: Tensor, target: Any = None) -> tuple[Tensor, Any]:
        """Scale an image to fit the model's size, as torchvision does."""
        if self.fixed_size is not None:
            return super().resize(image, target)  # type: ignore[no-any-return]
        height, width = image.shape[-2:]
        shorter, longer = torch.sym_min(height, width), torch.sym_max(height, width)
        scale = torch.sym_min(self.min_size[-1] / shorter, self.max_size / longer)
        scaled = nn.functional.interpolate(
            image[None], scale_factor=scale, mode="bilinear", recompute_scale_factor=True, align_corners=False
        )
        return scaled[0], target

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Pad the only image to multiples of the stride."""
        (image,) = images
        height, width = image.shape[-2:]
        return nn.functional.pad(image, (0, -width % size_divisible, 0, -height % size_divisible))[None]


class SymbolicLabelsFromZero(SymbolicTransform, LabelsFromZero):
    """`SymbolicTransform` of a detector that has a background."""


@contextmanager
def symbolic(model: OneImageDetector) -> Iterator[None]:
    """Let `torch.export` follow a model for all sizes, within the block."""
    transform: Any = model.detector.transform
    kind, suppression = type(transform), box_ops.batched_nms
    transform.__class__ = SymbolicLabelsFromZero if kind is LabelsFromZero else SymbolicTransform
    box_ops.batched_nms = suppress_by_class
    try:
        yield
    finally:
        transform.__class__, box_ops.batched_nms = kind, suppression


def suppress_by_class(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Return which boxes non-maximum suppression keeps, each class for itself.

    torchvision's chooses between two ways by the number of boxes, which a graph can't know; this is the second,
    where every class is moved to a place of its own.
    """
    beyond = nn.functional.pad(boxes, (0, 0, 0, 1)).reshape(-1).amax(0) + 1
    kept: Tensor = box_ops.nms(boxes + idxs[:, None].to(boxes) * beyond, scores, iou_threshold)
    return kept
