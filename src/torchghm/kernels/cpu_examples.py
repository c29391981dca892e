"""Tiles of sigmoid examples: logits with the sign of their target, targets, weights, and what is no example hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_intrinsics import scalar, summing, vectorize
from torchghm.kernels.cpu_storage import FLOAT32, FLOAT64, TILE, array_at, load

HIDDEN = -1e4
"""The logit of what is no example: with target 0 its g, L and gradient are 0."""


@scalar
def prepare(
    a: Any, real: Any, start: Any, count: Any, own: Any, targets: Any, weight: Any, flipped: Any
) -> tuple[Any, Any, Any, Any]:
    """Examples ``start`` to ``start + count``, into the tiles ``own``, ``targets``, ``weight`` and ``flipped``.

    Returns:
        The tile of logits: ``own``, or the tensor itself where nothing in it has to be changed, so that it must not be
        written to; how many of them are hidden; how many targets are invalid (a row counts in the tile that its first
        logit is in); and how many logits were flipped: ``flipped`` holds their places.
    """
    if count == TILE and _as_they_lie(a, own.itemsize, start):
        return array_at(a.logits, real, start, TILE), 0, 0, 0
    load(a.storage, a.logits, start, count, own)
    own[count:] = real(HIDDEN)
    if a.weight:
        _load_weight(a, real, start, count, weight)
    if a.target_storage < 0:
        hidden, invalid, positives = _flip_and_hide(a, real, start, count, own, weight, flipped)
        return own, TILE - count + hidden, invalid, positives
    load(a.target_storage, a.targets, start, count, targets)
    targets[count:] = real(0)
    return own, TILE - count, count_outside(targets), 0


@scalar
def _as_they_lie(a: Any, width: Any, start: Any) -> Any:
    """Whether a whole tile needs no conversion, no weight, and no change: every label says "background"."""
    if a.storage != (FLOAT32 if width == 4 else FLOAT64):
        return False
    if a.target_storage >= 0 or a.weight or a.leave_out_nonfinite or a.ignore_index == -1:
        return False
    others = 0
    for label in _labels(a, start, TILE):
        others += label != -1
    return others == 0


@scalar
def _labels(a: Any, start: Any, count: Any) -> Any:
    """Class indices of the rows that these examples are in."""
    first = start // a.columns
    return array_at(a.targets, np.int64, first, (start + count - 1) // a.columns - first + 1)


@scalar
def _load_weight(a: Any, real: Any, start: Any, count: Any, weight: Any) -> None:
    weight[count:] = real(0)
    if not a.row_weight:
        weight[:count] = array_at(a.weight, real, start, count)
        return
    first = start // a.columns
    rows = (start + count - 1) // a.columns - first + 1
    row_weight = array_at(a.weight, real, first, rows)
    for row in range(rows):
        begin = (first + row) * a.columns - start
        weight[max(begin, 0) : min(begin + a.columns, count)] = row_weight[row]


@scalar
def _flip_and_hide(
    a: Any, real: Any, start: Any, count: Any, logits: Any, weight: Any, flipped: Any
) -> tuple[Any, Any, Any]:
    """Class indices: change the sign at the labelled class, hide rows that are ignored or out of range."""
    hidden, invalid, positives = 0, 0, 0
    first = start // a.columns
    for row, label in enumerate(_labels(a, start, count)):
        if label == -1 and a.ignore_index != -1:
            continue
        begin = (first + row) * a.columns - start
        if 0 <= label < a.columns and label != a.ignore_index:
            place = begin + label
            if 0 <= place < count:
                logits[place] = -logits[place]
                flipped[positives] = place
                positives += 1
            continue
        if label != a.ignore_index and begin >= 0:
            invalid += 1
        for place in range(max(begin, 0), min(begin + a.columns, count)):
            logits[place] = real(HIDDEN)
            if a.weight:
                weight[place] = real(0)
            hidden += 1
    return hidden, invalid, positives


@summing
def count_outside(targets: Any) -> Any:
    """How many soft targets are not in [0, 1]."""
    vectorize()
    count = np.int32(0)
    for j in range(targets.size):
        count = np.int32(count + (np.int32(0) if (targets[j] >= 0) & (targets[j] <= 1) else np.int32(1)))
    return count


@summing
def count_nonfinite(numbers: Any) -> Any:
    """How many numbers are NaN or infinite."""
    vectorize()
    count = np.int32(0)
    for j in range(numbers.size):
        count = np.int32(count + (np.int32(0) if abs(numbers[j]) < np.inf else np.int32(1)))
    return count


@scalar
def hide_nonfinite(a: Any, numbers: Any, logits: Any, targets: Any, weight: Any, infinite: Any) -> Any:
    """Hide the logits where ``numbers`` are NaN, or infinite where that is asked for; returns how many."""
    hidden = 0
    for j in range(TILE):
        if np.isnan(numbers[j]) or (infinite and np.isinf(numbers[j])):
            logits[j], targets[j] = HIDDEN, 0
            if a.weight:
                weight[j] = 0
            hidden += 1
    return hidden
