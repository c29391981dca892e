"""The two passes of sigmoid GHM-C on a CPU: every logit is an example.

A tile holds s, the logit whose sign says how wrong it is: x for a negative, -x at the labelled class. Then
g = sigmoid(s) and L = softplus(s) for both, and the positives, one logit in a hundred, cost a change of sign when they
are read and another one of the derivative. A logit that is no example has s = HIDDEN: g, L and the gradient are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_arithmetic import exp_nonpositive, log1p_unit, region, region_scale, sigmoid
from torchghm.kernels.cpu_edges import load_edges, look_up_by_edges, regions_by_edges
from torchghm.kernels.cpu_examples import count_nonfinite, hide_nonfinite, prepare, tiles_in
from torchghm.kernels.cpu_harmonize import finite_size, harmonize, load_table, look_up
from torchghm.kernels.cpu_histogram import (
    add_counts,
    add_weights,
    collect_counts,
    collect_weights,
    count_table,
    weight_tables,
)
from torchghm.kernels.cpu_intrinsics import (
    carray,
    elementwise,
    fence,
    fetch_add,
    scalar,
    stack_memory,
    summing,
    vectorize,
)
from torchghm.kernels.cpu_registers import LANES
from torchghm.kernels.cpu_storage import FLOAT64, STREAMED, TILE, TILE_BYTES, array_at, store, stream


def histogram_float32(pointer: Any) -> None:
    """Pass 1; a chunk's sums are the histogram and the numbers of non-finite logits and of invalid targets.

    Where there is room for one more, it is the number of positives in class indices.
    """
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
    tiles = tiles_in(stack_memory(7, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    own, targets, weight, index = tiles.own, tiles.targets, tiles.weight, tiles.index
    counts, amounts = count_table(a.regions), weight_tables(a.regions, a.weight != 0)
    edges = load_edges(a, real)
    scale, last = region_scale(real, a.regions), real(a.regions - 1)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        nonfinite, invalid, hidden, positives = 0, 0, 0, 0
        start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows * a.columns)
        while start < end:
            run, count, hidden_here, invalid_here, positives_here = prepare(
                a, real, start, end, own, targets, weight, tiles.flipped
            )
            if invalid_here and a.target_storage >= 0:
                hidden += hide_nonfinite(a, targets, run, targets, weight, False)
            for first in range(0, run.size, TILE):
                logits = run[first : first + TILE]
                if _regions(a, real, logits, targets, edges, index, scale, last) != real(0):
                    nonfinite += count_nonfinite(logits)
                    own[:] = logits
                    hidden += hide_nonfinite(a, own, own, targets, weight, a.leave_out_nonfinite != 0)
                    _regions(a, real, own, targets, edges, index, scale, last)
                if a.weight:
                    add_weights(index, weight, a.regions, amounts)
                else:
                    add_counts(index, a.regions, counts)
            hidden += hidden_here
            invalid += invalid_here
            positives += positives_here
            start += count
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        sums[a.regions], sums[a.regions + 1] = nonfinite, invalid
        if a.width > a.regions + 2:
            sums[a.regions + 2] = positives
        if a.weight:
            collect_weights(amounts, a.regions, sums)
        else:
            collect_counts(counts, a.regions, sums)
            sums[0] -= hidden  # they were counted as g = 0


@scalar
def _regions(a: Any, real: Any, logits: Any, targets: Any, edges: Any, index: Any, scale: Any, last: Any) -> Any:
    """The region of every logit of a tile; returns 0 if all are finite."""
    if LANES and edges.size:
        return regions_by_edges(real, logits, edges, a.regions, index)
    if a.target_storage < 0:
        return _hard_regions(real, logits, index, scale, last)
    return _soft_regions(real, logits, targets, index, scale, last)


@summing
def _hard_regions(real: Any, logits: Any, index: Any, scale: Any, last: Any) -> Any:
    vectorize()
    trace = real(0)
    for j in range(TILE):
        s = logits[j]
        index[j] = region(sigmoid(real, s, exp_nonpositive(-abs(s))), scale, real(0), last)
        trace += s * real(0)  # NaN as soon as one logit is not finite
    return trace


@elementwise
def _soft_regions(real: Any, logits: Any, targets: Any, index: Any, scale: Any, last: Any) -> Any:
    vectorize()
    nonfinite = np.int32(0)
    for j in range(TILE):
        x = logits[j]
        index[j] = region(abs(sigmoid(real, x, exp_nonpositive(-abs(x))) - targets[j]), scale, real(0), last)
        nonfinite = np.int32(nonfinite + (np.int32(0) if abs(x) < real(np.inf) else np.int32(1)))
    return nonfinite


@scalar
def _loss(a: Any, real: Any) -> None:
    tiles = tiles_in(stack_memory(7, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    tiles.targets[:], tiles.weight[:] = real(0), real(1)
    table, edges = load_table(a.table, a.regions, real), load_edges(a, real)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = _chunk(a, real, chunk, tiles, table, edges)
        fence()  # for what was streamed
        array_at(a.sums, np.float64, chunk * 4, 4)[:] = sums
        if a.chunks == 1:
            array_at(a.loss, real, 0, 1)[0] = sums[3]


@summing
def _chunk(a: Any, real: Any, chunk: Any, tiles: Any, table: Any, edges: Any) -> Any:
    """Pass 2 over a chunk: w L, |gradient|, its part that belongs to positives, and table w L.

    All in one function, into which the compiler puts what is called for every tile: on so few numbers calls count.
    """
    vectorize()
    index, slope, loss, entries, weight = tiles.index, tiles.slope, tiles.loss, tiles.entries, tiles.weight
    scale, shift, last = region_scale(real, a.regions), real(0), real(a.regions - 1)
    if edges.size:  # the index of the nearest edge, instead of the region
        shift, last = real(0.5), real(a.regions)
    plain, size, positive, harmonized = 0.0, 0.0, 0.0, 0.0
    start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows * a.columns)
    while start < end:
        run, count, _, _, positives = prepare(
            a, real, start, end, tiles.own, tiles.targets, tiles.weight, tiles.flipped
        )
        in_place = a.storage <= FLOAT64 and count == run.size  # no conversion needed
        streamed = in_place and a.rows * a.columns >= STREAMED and a.gradient % 64 == 0 and tiles.own.itemsize == 4
        destination = array_at(a.gradient, real, start, count) if in_place else tiles.gradient
        if a.leave_out_nonfinite and count_nonfinite(run):
            hide_nonfinite(a, run, run, tiles.targets, weight, True)
        for first in range(0, run.size, TILE):
            logits, place = run[first : first + TILE], destination[first : first + TILE]
            if a.target_storage < 0:
                _hard_loss(real, logits, slope, loss, index, scale, shift, last)
            else:
                _soft_loss(real, logits, tiles.targets, slope, loss, index, scale, last)
            if LANES and edges.size:
                look_up_by_edges(logits, edges, table, index, entries)
            else:
                look_up(table, index, entries)
            for i in range(positives):
                # Here and not in the gradient, which may be on its way to memory.
                j = tiles.flipped[i]
                part = entries[j] * weight[j] * slope[j]
                positive += part if part == part else real(0)
                slope[j] = -slope[j]
            gradient = tiles.gradient if streamed else place
            if a.weight:
                sums = harmonize(real, slope, loss, weight, entries, gradient)
            else:
                sums = harmonize(real, slope, loss, None, entries, gradient)
            plain += sums[0]
            size += sums[1] if sums[1] == sums[1] else finite_size(real, gradient)
            harmonized += sums[2]
            if a.target_storage >= 0:
                positive += _positive_part(real, tiles.targets, gradient)
            if streamed:
                stream(gradient, place)
        if not in_place:
            store(a.storage, a.gradient, start, count, tiles.gradient)
        start += count
    return plain, size, positive, harmonized


@elementwise
def _hard_loss(real: Any, logits: Any, slope: Any, loss: Any, index: Any, scale: Any, shift: Any, last: Any) -> None:
    """s to L, its derivative by s, and the region of that (or its nearest edge, where ``shift`` is 1/2)."""
    vectorize()
    for j in range(TILE):
        s = logits[j]
        e = exp_nonpositive(-abs(s))
        slope[j] = sigmoid(real, s, e)
        index[j] = region(slope[j], scale, shift, last)
        loss[j] = (real(0) if s < real(0) else s) + log1p_unit(e)


@elementwise
def _soft_loss(real: Any, logits: Any, targets: Any, slope: Any, loss: Any, index: Any, scale: Any, last: Any) -> None:
    """x and its target to L, its derivative by x, and the region of that."""
    vectorize()
    for j in range(TILE):
        x = logits[j]
        e = exp_nonpositive(-abs(x))
        slope[j] = sigmoid(real, x, e) - targets[j]
        index[j] = region(abs(slope[j]), scale, real(0), last)
        loss[j] = (real(0) if x < real(0) else x) - x * targets[j] + log1p_unit(e)


@summing
def _positive_part(real: Any, targets: Any, gradient: Any) -> Any:
    vectorize()
    positive = real(0)
    for j in range(TILE):
        part = targets[j] * abs(gradient[j])
        positive += part if part == part else real(0)
    return positive
