"""Targets of detectors that match queries with objects: DETR and its descendants."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.examples import compute_dtype


def class_targets(logits: Tensor, queries: tuple[Tensor, Tensor], labels: Tensor, *, background: int) -> Tensor:
    """Class of every query, ``background`` where it matched no object.

    Arguments:
        logits: [B, Q, K].
        queries: [P] image and [P] query of every matched pair.
        labels: [P] classes of their objects.
        background: what the others get, -1 or the column of "no object".

    Returns:
        [B, Q] int64.
    """
    targets = torch.full(logits.shape[:2], background, dtype=torch.int64, device=logits.device)
    targets[queries] = labels.to(torch.int64)
    return targets


def quality_targets(logits: Tensor, queries: tuple[Tensor, Tensor], labels: Tensor, quality: Tensor) -> Tensor:
    """Targets [B, Q, K]: the quality [P] of every matched pair at its class, 0 elsewhere; other arguments as above."""
    targets = logits.new_zeros(logits.shape, dtype=compute_dtype(logits))
    targets[queries[0], queries[1], labels] = quality.to(targets.dtype)
    return targets


@torch.no_grad()
def focal_weights(
    logits: Tensor, queries: tuple[Tensor, Tensor], labels: Tensor, matched: Tensor, *, alpha: float, gamma: float
) -> Tensor:
    """Weights [B, Q, K] that hosts give their examples: alpha p^gamma, and ``matched`` [P] at a pair's class.

    Varifocal loss (Zhang et al., CVPR 2021) has the overlap for ``matched``.

    Examples:
        >>> pair = torch.tensor([0]), torch.tensor([1])
        >>> focal_weights(torch.zeros(1, 2, 1), pair, torch.tensor([0]), torch.tensor([0.8]), alpha=0.75, gamma=2.0)
        tensor([[[0.1875],
                 [0.8000]]])
    """
    weights = logits.to(compute_dtype(logits)).sigmoid().pow_(gamma).mul_(alpha)
    weights[queries[0], queries[1], labels] = matched.to(weights.dtype)
    return weights


@torch.no_grad()
def overlap(predicted: Tensor, true: Tensor) -> Tensor:
    """Intersection over union of pairs of boxes [P, 4], centre x, centre y, width and height: [P] in [0, 1].

    Examples:
        >>> overlap(torch.tensor([[0.5, 0.5, 0.2, 0.2]]), torch.tensor([[0.6, 0.5, 0.2, 0.2]]))
        tensor([0.3333])
    """
    dtype = compute_dtype(predicted)
    boxes = torch.stack([predicted.to(dtype), true.to(dtype)])
    centres, sides = boxes[..., :2], boxes[..., 2:]
    lowest, highest = (centres - sides / 2).amax(0), (centres + sides / 2).amin(0)
    common = (highest - lowest).clamp(min=0).prod(1)
    union = sides.prod(2).sum(0) - common
    return (common / union.clamp(min=torch.finfo(union.dtype).tiny)).nan_to_num(nan=0.0).clamp(0, 1)


def check_label_range(labels: list[Tensor], classes: int) -> None:
    """Raise a ValueError that names the range where a label is outside; waits for the device, as the matching does."""
    found = torch.cat([label.flatten() for label in labels]) if labels else torch.zeros(0)
    if found.numel() and not bool(((found >= 0) & (found < classes)).all()):
        raise ValueError(
            f"Expected class labels from 0 to {classes - 1}, but got values from {int(found.min())} to "
            f"{int(found.max())}: the model was built for {classes} classes."
        )
