"""Figures of each object in one batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torchghm.detection.examples.batch_examples import DetectionExamples
from torchghm.detection.examples.quality import overlap


class ObjectFigures(NamedTuple):
    """Figures of n objects; all but ``matched`` are 0 where no anchor was the object's positive."""

    matched: Tensor
    """[n] floats, 1 where any anchor was its positive, else 0."""
    gradient_norm: Tensor
    """[n] in [0, 1], g = 1 - p of the object's class, mean over its positives."""
    residual: Tensor
    """[n] in [0, 1], 1 - IoU of the predicted box with the object's, mean over its positives."""
    rival: Tensor
    """[n] int64, the other class with the highest mean probability; 0 with a single class."""
    margin: Tensor
    """[n] in [-1, 1], mean probability of the object's class less that of the rival."""


@torch.no_grad()
def object_figures(examples: DetectionExamples, count: int) -> ObjectFigures:
    """Average over each object's positives; a GPU is not waited for.

    Arguments:
        examples: with ``rows`` and ``objects``.
        count: n, objects of the batch.

    Raises:
        ValueError: examples that do not say whose each positive is.
    """
    if examples.rows is None or examples.objects is None:
        raise ValueError("Expected argument `examples` to have rows and objects, but got None.")
    logits = examples.logits.detach()[examples.rows, examples.positive_anchors].float()
    label = examples.targets[examples.rows, examples.positive_anchors]
    softmax = examples.activation == "softmax"
    probability = logits.softmax(1) if softmax else logits.sigmoid()
    if softmax:  # column 0 is the background's
        probability, label = probability[:, 1:], label - 1
    columns = probability.shape[1]
    residual = 1 - overlap(examples.predicted.detach(), examples.encoded, examples.encoding).float()
    own = probability.gather(1, label[:, None])
    parts = torch.cat([torch.ones_like(own), own, residual[:, None], probability], dim=1)
    parts = parts.nan_to_num(nan=0.0)
    sums = parts.new_zeros(count, parts.shape[1]).index_add_(0, examples.objects, parts)
    labels = label.new_zeros(count).index_copy_(0, examples.objects, label)
    positives = sums[:, 0]
    means = sums / positives.clamp(min=1)[:, None]
    matched = (positives > 0).float()
    others = means[:, 3:].scatter(1, labels[:, None], -1.0) if columns > 1 else means[:, 3:] * 0
    highest, rival = others.max(dim=1)
    return ObjectFigures(
        matched,
        matched * (1 - means[:, 1]),
        means[:, 2],
        rival * matched.long(),
        matched * (means[:, 1] - highest),
    )
