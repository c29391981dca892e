"""What a detector's losses see in one batch: every anchor's logits and label, every positive anchor's box residual."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from torchghm.functional.examples import Activation

IGNORED = -100
BACKGROUND = -1


class DetectionExamples(NamedTuple):
    """One batch of B images with A anchors each (all levels, in the head's order) and P positive anchors in all."""

    logits: Tensor
    """[B, A, K]; with softmax [B, A, K + 1], column 0 the background."""
    targets: Tensor
    """[B, A] int64: a column of the logits, -1 for background (softmax: 0), -100 for an anchor that is no example."""
    predicted: Tensor
    """[P, 4] encoded boxes that the head predicts, in units of the anchor's size (without the box coder's weights)."""
    encoded: Tensor
    """[P, 4] encoded boxes that it should predict."""
    positive_anchors: Tensor
    """[P] int64, the anchor 0..A-1 of each positive, in the order of its image."""
    level_sizes: tuple[int, ...]
    """Anchors of each level; their sum is A."""
    activation: Activation = "sigmoid"
    """How the logits are read."""

    def levels(self) -> list[DetectionExamples]:
        """The same examples, level by level."""
        split = []
        for begin, end in pairwise(accumulate(self.level_sizes, initial=0)):
            inside = (self.positive_anchors >= begin) & (self.positive_anchors < end)
            split.append(
                DetectionExamples(
                    self.logits[:, begin:end],
                    self.targets[:, begin:end],
                    self.predicted[inside],
                    self.encoded[inside],
                    self.positive_anchors[inside] - begin,
                    (end - begin,),
                    self.activation,
                )
            )
        return split


class AnchorGeometry(NamedTuple):
    """Where the anchors of a batch lie."""

    image_sizes: list[tuple[int, int]]
    """(height, width) of each image within the padded batch."""
    level_sizes: tuple[int, ...]
    """Anchors of each level."""


def remember_geometry(generator: nn.Module, arguments: tuple[ImageList, list[Tensor]], output: object) -> None:
    """Forward hook of an anchor generator: the only place that sees both the padding and the levels."""
    images, features = arguments
    anchors_per_cell: list[int] = generator.num_anchors_per_location()  # type: ignore[operator]
    level_sizes = tuple(
        feature.shape[-2] * feature.shape[-1] * anchors
        for feature, anchors in zip(features, anchors_per_cell, strict=True)
    )
    generator.geometry = AnchorGeometry(images.image_sizes, level_sizes)  # type: ignore[assignment]


def forget_geometry(generator: nn.Module) -> None:
    """Take the hook away, and what it remembered."""
    hooks = generator._forward_hooks
    for handle in [handle for handle, hook in hooks.items() if hook is remember_geometry]:
        del hooks[handle]
    if hasattr(generator, "geometry"):
        del generator.geometry


def anchor_targets(
    labels: list[Tensor],
    matched: list[Tensor],
    anchors: list[Tensor],
    geometry: AnchorGeometry,
    *,
    ignore_padding: bool,
    background: int = BACKGROUND,
) -> Tensor:
    """Label of every anchor, [B, A].

    Arguments:
        labels: [n] class of each object, an image.
        matched: [A] object of each anchor, an image; -1 for background, -2 between the thresholds.
        anchors: [A, 4] boxes xyxy in pixels, an image.
        geometry: image sizes within the batch.
        ignore_padding: anchors whose centre lies in the padding are no examples.
        background: the label of background.
    """
    rows = []
    for image_labels, image_matched, image_anchors, image_size in zip(
        labels, matched, anchors, geometry.image_sizes, strict=True
    ):
        positive = image_matched >= 0
        row = torch.where(image_matched == -1, background, IGNORED)
        if image_labels.numel():
            row = torch.where(positive, image_labels[image_matched.clamp(min=0)], row)
        if ignore_padding:
            row = row.where(positive | centred_in(image_size, image_anchors), IGNORED)
        rows.append(row)
    return torch.stack(rows)


def centred_in(image_size: tuple[int, int], anchors: Tensor) -> Tensor:
    """Whether the centre of each anchor [A, 4] lies in the image and not in the padding below and right of it, [A]."""
    height, width = image_size
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2
    return (centre[:, 0] < width) & (centre[:, 1] < height)


def matched_boxes(targets: list[dict[str, Tensor]], matched: list[Tensor]) -> Tensor:
    """The object's box of every positive anchor of the batch, [P, 4]."""
    return torch.cat(
        [
            target["boxes"][image_matched[image_matched >= 0]]
            for target, image_matched in zip(targets, matched, strict=True)
        ]
    )


def without_weights(coder: Any, encoded: Tensor) -> Tensor:
    """Encoded boxes [P, 4] in units of the anchor's size, whatever a ``BoxCoder``'s weights: mu keeps its meaning."""
    return encoded / encoded.new_tensor(coder.weights, dtype=torch.float32)


def feature_maps(backbone: Any, images: Tensor) -> dict[str, Tensor]:
    """Feature maps by level, also of a backbone that has only one."""
    features: Tensor | dict[str, Tensor] = backbone(images)
    return {"0": features} if isinstance(features, Tensor) else features
