"""What a detector's losses see in one batch: every anchor's logits and label, every positive anchor's box residual."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

IGNORED = -100
BACKGROUND = -1


class DetectionExamples(NamedTuple):
    """One batch of B images with A anchors each (all levels, in the head's order) and P positive anchors in all."""

    logits: Tensor
    """[B, A, K]."""
    targets: Tensor
    """[B, A] int64: a class index, -1 for background, -100 for an anchor that is no example."""
    predicted: Tensor
    """[P, 4] encoded boxes that the head predicts, in units of the anchor's size (without the box coder's weights)."""
    encoded: Tensor
    """[P, 4] encoded boxes that it should predict."""
    positive_anchors: Tensor
    """[P] int64, the anchor 0..A-1 of each positive, in the order of its image."""
    level_sizes: tuple[int, ...]
    """Anchors of each level; their sum is A."""

    def levels(self) -> list[DetectionExamples]:
        """The same examples, level by level."""
        bounds = [0]
        for size in self.level_sizes:
            bounds.append(bounds[-1] + size)
        split = []
        for begin, end in pairwise(bounds):
            inside = (self.positive_anchors >= begin) & (self.positive_anchors < end)
            split.append(
                DetectionExamples(
                    self.logits[:, begin:end],
                    self.targets[:, begin:end],
                    self.predicted[inside],
                    self.encoded[inside],
                    self.positive_anchors[inside] - begin,
                    (end - begin,),
                )
            )
        return split


class AnchorGeometry(NamedTuple):
    """Where the anchors of a batch lie."""

    image_sizes: list[tuple[int, int]]
    """(height, width) of each image within the padded batch."""
    cells: tuple[int, ...]
    """Cells of each level's feature map."""


def remember_geometry(generator: torch.nn.Module, arguments: tuple[ImageList, list[Tensor]], output: object) -> None:
    """Forward hook of an anchor generator: the only place that sees both the padding and the levels."""
    images, features = arguments
    cells = tuple(feature.shape[-2] * feature.shape[-1] for feature in features)
    generator.geometry = AnchorGeometry(images.image_sizes, cells)  # type: ignore[assignment]


def anchor_targets(
    labels: list[Tensor],
    matched: list[Tensor],
    anchors: list[Tensor],
    geometry: AnchorGeometry,
    *,
    ignore_padding: bool,
) -> Tensor:
    """Label of every anchor, [B, A].

    Arguments:
        labels: [n] class of each object, an image.
        matched: [A] object of each anchor, an image; -1 for background, -2 between the thresholds.
        anchors: [A, 4] boxes xyxy in pixels, an image.
        geometry: image sizes within the batch.
        ignore_padding: anchors whose centre lies in the padding are no examples.
    """
    rows = []
    for image_labels, image_matched, image_anchors, (height, width) in zip(
        labels, matched, anchors, geometry.image_sizes, strict=True
    ):
        positive = image_matched >= 0
        row = torch.where(image_matched == -1, BACKGROUND, IGNORED)
        if image_labels.numel():
            row = torch.where(positive, image_labels[image_matched.clamp(min=0)], row)
        if ignore_padding:
            centre = (image_anchors[:, :2] + image_anchors[:, 2:]) / 2
            row = row.where(positive | ((centre[:, 0] < width) & (centre[:, 1] < height)), IGNORED)
        rows.append(row)
    return torch.stack(rows)
