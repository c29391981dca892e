"""The two passes of sigmoid GHM-C on a CPU: every logit is an example.

A tile holds s, the logit whose sign says how wrong it is: x for a negative, -x at the labelled class. Then
g = sigmoid(s) and L = softplus(s) for both, and the positives, one logit in a hundred, cost a change of sign before the
pass and another one after it. A logit that is no example has s = HIDDEN, where g, L and the gradient are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_arithmetic import exp_nonpositive, log1p_unit, region, region_scale, sigmoid
from torchghm.kernels.cpu_examples import count_nonfinite, hide_nonfinite, prepare
from torchghm.kernels.cpu_harmonize import harmonize, load_table, look_up
from torchghm.kernels.cpu_histogram import (
    add_counts,
    add_weights,
    collect_counts,
    collect_weights,
    count_tables,
    in_pairs,
    weight_tables,
)
from torchghm.kernels.cpu_intrinsics import carray, elementwise, fetch_add, scalar, summing, vectorize
from torchghm.kernels.cpu_storage import (
    FLOAT64,
    TILE,
    array_at,
    prefetch,
    prefetch_for_writing,
    scratch,
    store,
    tile,
)


def histogram_float32(pointer: Any) -> None:
    """Pass 1; a chunk's sums are the histogram and the numbers of non-finite logits and of invalid targets."""
    _histogram(carray(pointer, (1,))[0], np.float32)


def histogram_float64(pointer: Any) -> None:
    """Pass 1 in float64."""
    _histogram(carray(pointer, (1,))[0], np.float64)


def loss_float32(pointer: Any) -> None:
    """Pass 2; a chunk's sums are w L, |gradient|, its part that belongs to positives, and table w L."""
    _loss(carray(pointer, (1,))[0], np.float32)


def loss_float64(pointer: Any) -> None:
    """Pass 2 in float64."""
    _loss(carray(pointer, (1,))[0], np.float64)


@scalar
def _histogram(a: Any, real: Any) -> None:
    reals, integers = scratch(3, real), scratch(3, np.int32)
    own, targets, weight = tile(reals, 0), tile(reals, 1), tile(reals, 2)
    index, flipped, pairs = tile(integers, 0), tile(integers, 1), tile(integers, 2)[: TILE // 2]
    paired = in_pairs(a.regions, a.chunk_size)
    counts, amounts = count_tables(a.regions, paired), weight_tables(a.regions)
    scale, last = region_scale(real, a.regions), real(a.regions - 1)
    total = a.rows * a.columns
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * (a.regions + 2), a.regions + 2)
        sums[:] = 0.0
        for start in range(chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, total), TILE):
            count = min(TILE, total - start)
            prefetch(a.storage, a.logits, start + TILE)
            logits, hidden, invalid, _ = prepare(a, real, start, count, own, targets, weight, flipped)
            if invalid and a.target_storage >= 0:
                hidden += hide_nonfinite(a, targets, logits, targets, weight, False)
            nonfinite = 0
            if _regions(a, real, logits, targets, index, scale, last) != real(0):
                nonfinite = count_nonfinite(logits)
                own[:] = logits
                logits = own
                hidden += hide_nonfinite(a, logits, logits, targets, weight, a.leave_out_nonfinite != 0)
                _regions(a, real, logits, targets, index, scale, last)
            sums[a.regions] += nonfinite
            sums[a.regions + 1] += invalid
            if a.weight:
                add_weights(index, weight, a.regions, amounts)
            else:
                add_counts(index, a.regions, paired, pairs, counts)
                sums[0] -= hidden  # they were counted as g = 0
        if a.weight:
            collect_weights(amounts, a.regions, sums)
        else:
            collect_counts(counts, a.regions, paired, sums)


@scalar
def _regions(a: Any, real: Any, logits: Any, targets: Any, index: Any, scale: Any, last: Any) -> Any:
    """The region of every logit of a tile; returns 0 if all logits are finite."""
    if a.target_storage < 0:
        return _hard_regions(real, logits, index, scale, last)
    return _soft_regions(real, logits, targets, index, scale, last)


@summing
def _hard_regions(real: Any, logits: Any, index: Any, scale: Any, last: Any) -> Any:
    vectorize()
    trace = real(0)
    for j in range(TILE):
        s = logits[j]
        index[j] = region(sigmoid(real, s, exp_nonpositive(-abs(s))), scale, last)
        trace += s * real(0)  # NaN as soon as one logit is not finite
    return trace


@elementwise
def _soft_regions(real: Any, logits: Any, targets: Any, index: Any, scale: Any, last: Any) -> Any:
    vectorize()
    nonfinite = np.int32(0)
    for j in range(TILE):
        x = logits[j]
        index[j] = region(abs(sigmoid(real, x, exp_nonpositive(-abs(x))) - targets[j]), scale, last)
        nonfinite = np.int32(nonfinite + (np.int32(0) if abs(x) < real(np.inf) else np.int32(1)))
    return nonfinite


@scalar
def _loss(a: Any, real: Any) -> None:
    reals, integers = scratch(7, real), scratch(2, np.int32)
    own, targets, weight, slope = tile(reals, 0), tile(reals, 1), tile(reals, 2), tile(reals, 3)
    loss, entries, converted = tile(reals, 4), tile(reals, 5), tile(reals, 6)
    index, flipped = tile(integers, 0), tile(integers, 1)
    targets[:], weight[:] = real(0), real(1)
    table = load_table(a.table, a.regions, real)
    scale, last = region_scale(real, a.regions), real(a.regions - 1)
    total = a.rows * a.columns
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * 4, 4)
        sums[:] = 0.0
        for start in range(chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, total), TILE):
            count = min(TILE, total - start)
            in_place = a.storage <= FLOAT64 and count == TILE  # no conversion needed
            gradient = array_at(a.gradient, real, start, TILE) if in_place else converted
            prefetch(a.storage, a.logits, start + TILE)
            prefetch_for_writing(a.storage, a.gradient, start + TILE)
            logits, _, _, positives = prepare(a, real, start, count, own, targets, weight, flipped)
            if a.leave_out_nonfinite and count_nonfinite(logits):
                hide_nonfinite(a, logits, logits, targets, weight, True)
            if a.target_storage < 0:
                _hard_loss(real, logits, slope, loss, index, scale, last)
            else:
                _soft_loss(real, logits, targets, slope, loss, index, scale, last)
            look_up(table, index, entries)
            harmonize(a.weight != 0, real, slope, loss, weight, entries, gradient, sums)
            if a.target_storage >= 0:
                sums[2] += _positive_part(real, targets, gradient)
            for i in range(positives):
                j = flipped[i]
                if gradient[j] == gradient[j]:
                    sums[2] += gradient[j]
                gradient[j] = -gradient[j]
            if not in_place:
                store(a.storage, a.gradient, start, count, gradient)
        if a.chunks == 1:
            array_at(a.loss, real, 0, 1)[0] = sums[3]


@elementwise
def _hard_loss(real: Any, logits: Any, slope: Any, loss: Any, index: Any, scale: Any, last: Any) -> None:
    """s to L, its derivative by s, and the region of that."""
    vectorize()
    for j in range(TILE):
        s = logits[j]
        e = exp_nonpositive(-abs(s))
        slope[j] = sigmoid(real, s, e)
        index[j] = region(slope[j], scale, last)
        loss[j] = (real(0) if s < real(0) else s) + log1p_unit(e)


@elementwise
def _soft_loss(real: Any, logits: Any, targets: Any, slope: Any, loss: Any, index: Any, scale: Any, last: Any) -> None:
    """x and its target to L, its derivative by x, and the region of that."""
    vectorize()
    for j in range(TILE):
        x = logits[j]
        e = exp_nonpositive(-abs(x))
        slope[j] = sigmoid(real, x, e) - targets[j]
        index[j] = region(abs(slope[j]), scale, last)
        loss[j] = (real(0) if x < real(0) else x) - x * targets[j] + log1p_unit(e)


@summing
def _positive_part(real: Any, targets: Any, gradient: Any) -> Any:
    vectorize()
    positive = real(0)
    for j in range(TILE):
        part = targets[j] * abs(gradient[j])
        positive += part if part == part else real(0)
    return positive
