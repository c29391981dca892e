"""A detector's examples in one batch: every anchor's logits and label, every positive anchor's box residual."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from torchghm.functional.examples import Activation

BoxEncoding = Literal["center", "sides"]
"""x, y, log width and log height of the box; or its distances left, top, right and bottom from the anchor's middle."""

IGNORED = -100
BACKGROUND = -1
UNMATCHED = -2
"""An anchor that matches no object and is no background either: between the thresholds, or in an ignored region."""


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
    encoding: BoxEncoding = "center"
    """How the boxes are encoded."""
    rows: Tensor | None = None
    """[P] int64, the row 0..B-1 of the logits that each positive is in."""
    objects: Tensor | None = None
    """[P] int64, the object of each positive, counted over the objects of all images of the batch."""

    def levels(self) -> list[DetectionExamples]:
        """Return the examples level by level."""
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
                    self.encoding,
                )
            )
        return split


def remember_levels(generator: nn.Module, arguments: tuple[ImageList, list[Tensor]], output: object) -> None:
    """Remember how many anchors each level has: a forward hook of an anchor generator, which alone sees the levels."""
    _, features = arguments
    anchors_per_cell: list[int] = generator.num_anchors_per_location()  # type: ignore[operator]
    generator.level_sizes = tuple(  # type: ignore[assignment]
        feature.shape[-2] * feature.shape[-1] * anchors
        for feature, anchors in zip(features, anchors_per_cell, strict=True)
    )


def forget_levels(generator: nn.Module) -> None:
    """Take the hook away, and what it remembered."""
    hooks = generator._forward_hooks
    for handle in [handle for handle, hook in hooks.items() if hook is remember_levels]:
        del hooks[handle]
    if hasattr(generator, "level_sizes"):
        del generator.level_sizes


def anchor_targets(labels: list[Tensor], matched: list[Tensor], background: int = BACKGROUND) -> Tensor:
    """Return the label of every anchor, [B, A].

    Those in the padding of a batch are background as torchvision has it: they predict too when the detector is used,
    and left untaught they fill the image's edge with false detections.

    Arguments:
        labels: [n] class of each object, an image.
        matched: [A] object of each anchor, an image; -1 for background, -2 for no example.
        background: the label of background.
    """
    rows = []
    for image_labels, image_matched in zip(labels, matched, strict=True):
        row = torch.where(image_matched == -1, background, IGNORED)
        if image_labels.numel():
            row = torch.where(image_matched >= 0, image_labels[image_matched.clamp(min=0)], row)
        rows.append(row)
    return torch.stack(rows)


def matched_boxes(targets: list[dict[str, Tensor]], matched: list[Tensor]) -> Tensor:
    """Return the object's box of every positive anchor of the batch, [P, 4]."""
    return torch.cat(
        [
            target["boxes"][image_matched[image_matched >= 0]]
            for target, image_matched in zip(targets, matched, strict=True)
        ]
    )


def batch_objects(matched: list[Tensor], counts: list[int], rows: Tensor, anchors: Tensor) -> Tensor:
    """Return the object of each positive, [P], counted over the objects of all images.

    Arguments:
        matched: [A] object of each anchor, an image.
        counts: objects of each image.
        rows, anchors: [P] of the positives, image and anchor.
    """
    first = torch.tensor(list(accumulate(counts, initial=0))[:-1], device=rows.device)
    return torch.stack(matched)[rows, anchors] + first[rows]


def without_weights(coder: Any, encoded: Tensor) -> Tensor:
    """Return encoded boxes [P, 4] in units of the anchor's size, whatever a coder's weights: mu keeps its meaning."""
    return encoded / encoded.new_tensor(coder.weights, dtype=torch.float32)


def feature_maps(backbone: Any, images: Tensor) -> dict[str, Tensor]:
    """Return feature maps by level, also of a backbone that has only one."""
    features: Tensor | dict[str, Tensor] = backbone(images)
    return {"0": features} if isinstance(features, Tensor) else features
