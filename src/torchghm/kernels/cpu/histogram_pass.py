"""Pass 1 where every number is an example, logits and residuals alike: find regions and count them.

Up to 32 regions are counted in planes of bits, more in four tables that take turns: adding to a number that was just
stored waits for the store, and neighbours often share a region. Of 16 bits, four tables fit the first cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.np.numpy_support import carray

from torchghm.kernels.cpu.example_terms import norm_slope_and_loss, shared_terms
from torchghm.kernels.cpu.example_tiles import Tiles, count_nonfinite, hide_nonfinite, prepare, tiles_in
from torchghm.kernels.cpu.launch import Arguments
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Real
from torchghm.kernels.cpu.simd.arithmetic import Regions, region, regions_of
from torchghm.kernels.cpu.simd.bit_planes import COLUMNS, COUNTED, FEW, count_in_planes
from torchghm.kernels.cpu.simd.compiling import elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.delayed_tables import (
    DELAY,
    DELAY_LINE,
    DELAY_LINE_BYTES,
    count_in_memory,
    delay_line_in,
    paged,
)
from torchghm.kernels.cpu.simd.intrinsics import element, fetch_add, stack_memory
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, TILE_BYTES, array_at, load_numbers, store_numbers
from torchghm.kernels.cpu.simd.region_edges import load_edges, region_by_edges
from torchghm.kernels.cpu.simd.vectors import lanes, total, zero

assert TILE == COUNTED

MOST = 4 * 65535 // TILE * TILE
"""Numbers that four tables of 16 bits can count, in one region even."""


class Counts(NamedTuple):
    """What was counted since `collect_counts`: few regions in planes, many in tables; weights in others."""

    planes: Numbers
    """int32, as `count_in_planes` wants it."""
    tables: Numbers
    """uint16, four times `table_stride`."""
    counted: Numbers
    """How many numbers, [1]."""
    weights: Numbers
    """float64, four times `table_stride`; none without weights."""
    index: Numbers
    """Regions of a tile."""
    delayed: Numbers
    """Regions in the delay line."""


class Run(NamedTuple):
    """Examples that are worked on together: whole tiles."""

    numbers: Numbers
    target: Number
    """What `shared_terms` is told of them."""


COUNTS_BYTES = 4 * FEW * COLUMNS + 64
"""Memory for what is not in tables."""


@scalar
def count_examples(a: Arguments, real: Real, mu: Number) -> None:
    """Pass 1; a chunk's sums are the histogram, then how many are not finite, invalid targets, and positives.

    The last where there is room for one more, and of class indices alone. ``mu`` is None for logits.
    """
    tiles = tiles_in(stack_memory(4, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    line = delay_line_in(stack_memory(1, DELAY_LINE_BYTES), a.regions, real)
    counts = make_counts(stack_memory(1, COUNTS_BYTES), a.regions, a.weight != 0, tiles.index, line.index)
    edges, regions = load_edges(a, real), regions_of(a.regions, real)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        nonfinite, invalid, positives = 0, 0, 0
        start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows * a.columns)
        while start < end:
            run, number, hidden, invalid_here, positives_here, flipped = prepare(a, real, mu, start, end, tiles)
            if mu is not None:
                nonfinite += _count_run(a, real, Run(run, mu), None, tiles, counts, sums)
            elif a.target_storage >= 0:
                if invalid_here:
                    hidden += hide_nonfinite(a, mu, tiles.targets, run, tiles, False)
                nonfinite += _count_run(a, real, Run(run, tiles.targets), None, tiles, counts, sums)
            elif edges.size:
                nonfinite += _count_run(a, real, Run(run, None), edges, tiles, counts, sums)
                if not flipped:
                    _count_flipped(real, run, edges, regions, tiles, positives_here, sums)
            else:
                nonfinite += _count_run(a, real, Run(run, None), None, tiles, counts, sums)
                if not flipped:
                    _count_flipped(real, run, None, regions, tiles, positives_here, sums)
            if not a.weight:
                sums[0] -= hidden  # they were counted as g = 0
            invalid += invalid_here
            positives += positives_here
            start += number
        sums[a.regions], sums[a.regions + 1] = nonfinite, invalid
        if a.width > a.regions + 2:
            sums[a.regions + 2] = positives
        if a.weight:
            collect_weights(counts.weights, a.regions, sums)
        else:
            collect_counts(counts, a.regions, sums)


@scalar
def _count_run(a: Arguments, real: Real, run: Run, edges: Numbers, tiles: Tiles, counts: Counts, sums: Numbers) -> int:
    """Count a run, or add up its weights; returns how many numbers are not finite."""
    regions, leave_out = regions_of(a.regions, real), a.leave_out_nonfinite != 0
    if not a.weight:
        return count(real, run, edges, regions, counts, leave_out, sums)
    nonfinite = 0
    if find_regions(real, run.numbers, run.target, None, regions, tiles.index) != real(0):
        nonfinite = count_nonfinite(run.numbers)
        hide_nonfinite(a, run.target, run.numbers, run.numbers, tiles, leave_out)
    add_weights(tiles.index, tiles.weight, a.regions, counts.weights)
    return nonfinite


@scalar
def _count_flipped(
    real: Real, run: Numbers, edges: Numbers, regions: Regions, tiles: Tiles, positives: int, sums: Numbers
) -> None:
    """Count positives for what they are, where a run was counted as if there were none."""
    if positives == 0:
        return
    for i in range(positives):
        tiles.own[i] = run[tiles.flipped[i]]
    for times in (-1.0, 1.0):
        find_regions(real, tiles.own, None, edges, regions, tiles.index)
        for i in range(positives):
            sums[tiles.index[i]] += times
            tiles.own[i] = -tiles.own[i]


@scalar
def make_counts(memory: int, regions: int, weighted: bool, index: Numbers, delayed: Numbers) -> Counts:
    """Room to count in: 0 everywhere; ``memory`` is for `COUNTS_BYTES`."""
    few = regions <= FEW
    counts = Counts(
        planes=carray(element(memory + 64, 0, np.int32), (FEW * COLUMNS if few else 0,)),
        tables=paged(0 if few else 4 * table_stride(regions), np.uint16),
        counted=carray(element(memory, 0, np.int64), (1,)),
        # None without weights, as freeing much makes the C library tidy up what others freed.
        weights=np.zeros(4 * table_stride(regions) if weighted else 0, np.float64),
        index=index,
        delayed=delayed,
    )
    counts.planes[:] = 0
    counts.counted[0] = 0
    return counts


@scalar
def count(
    real: Real, run: Run, edges: Numbers, regions: Regions, counts: Counts, infinite: bool, histogram: Numbers
) -> int:
    """Count the regions of a run, but of NaN, and of infinities where that is asked for; returns how many are either.

    ``histogram`` gets what has to leave ``counts``.
    """
    nonfinite = 0
    for first in range(0, run.numbers.size, MOST):
        part = run.numbers[first : first + MOST]
        if counts.planes.size:
            trace = _count_few(real, part, run.target, edges, regions, counts.index, counts.planes)
        else:
            if counts.counted[0] + part.size > MOST:
                collect_counts(counts, regions.number, histogram)
            counts.counted[0] += part.size
            trace = _count_many(real, part, run.target, regions, counts.delayed, counts.tables)
        if trace != real(0):
            nonfinite += _take_back(real, Run(part, run.target), edges, regions, counts.index, infinite, histogram)
    return nonfinite


@summing
def _count_few(
    real: Real, numbers: Numbers, target: Number, edges: Numbers, regions: Regions, index: Numbers, planes: Numbers
) -> Number:
    """Count in planes; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for first in range(0, numbers.size, TILE):
        for j in range(0, TILE, lanes(real)):
            store_numbers(index, j, _region(real, numbers, target, first + j, edges, regions))
            trace += load_numbers(numbers, first + j) * real(0)  # NaN as soon as one is not finite
        count_in_planes(index, planes)
    return total(trace)


@summing
def _count_many(
    real: Real, numbers: Numbers, target: Number, regions: Regions, delayed: Numbers, tables: Numbers
) -> Number:
    """Count in tables; returns 0 if all numbers are finite.

    What a turn of the loop stores first was begun in the turn before: so no store waits for a whole computation.
    """
    vectorize()
    trace, step, stride = zero(real), lanes(real), tables.size // 4
    begun = shared_terms(real, numbers, target, 0)
    for j in range(0, numbers.size, step):
        norm = norm_slope_and_loss(real, target, begun)[0]
        store_numbers(delayed, j & (DELAY_LINE - 1), region(norm, regions.scale, regions.last))
        begun = shared_terms(real, numbers, target, min(j + step, numbers.size - step))
        trace += load_numbers(numbers, j) * real(0)
        if j >= DELAY:
            count_in_memory(real, delayed, tables, stride, (j - DELAY) & (DELAY_LINE - 1))
    for j in range(numbers.size - DELAY, numbers.size, step):
        count_in_memory(real, delayed, tables, stride, j & (DELAY_LINE - 1))
    return total(trace)


@summing
def find_regions(
    real: Real, numbers: Numbers, target: Number, edges: Numbers, regions: Regions, index: Numbers
) -> Number:
    """The region of every number of a tile, by edges where there are any; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for j in range(0, TILE, lanes(real)):
        store_numbers(index, j, _region(real, numbers, target, j, edges, regions))
        trace += load_numbers(numbers, j) * real(0)
    return total(trace)


@elementwise
def _region(real: Real, numbers: Numbers, target: Number, j: int, edges: Numbers, regions: Regions) -> Number:
    if edges is None:
        norm = norm_slope_and_loss(real, target, shared_terms(real, numbers, target, j))[0]
        return region(norm, regions.scale, regions.last)
    return region_by_edges(real, load_numbers(numbers, j), edges, regions)


@scalar
def _take_back(
    real: Real, run: Run, edges: Numbers, regions: Regions, index: Numbers, infinite: bool, histogram: Numbers
) -> int:
    """Take numbers that are not finite out of the histogram again; returns how many there are."""
    nonfinite = 0
    for first in range(0, run.numbers.size, TILE):
        tile = run.numbers[first : first + TILE]
        if find_regions(real, tile, run.target, edges, regions, index) != real(0):
            for j in range(TILE):
                if not abs(tile[j]) < real(np.inf):
                    nonfinite += 1
                    if infinite or np.isnan(tile[j]):
                        histogram[index[j]] -= 1.0
    return nonfinite


@scalar
def collect_counts(counts: Counts, regions: int, histogram: Numbers) -> None:
    """Add what was counted to the histogram, and begin anew."""
    for k in range(regions if counts.planes.size else 0):
        for column in range(COLUMNS):
            histogram[k] += counts.planes[k * COLUMNS + column]
    if counts.tables.size:
        _add_tables(counts.tables, counts.tables.size // 4, histogram[:regions])
    counts.planes[:] = 0
    counts.tables[:] = 0
    counts.counted[0] = 0


@elementwise
def _add_tables(tables: Numbers, stride: int, histogram: Numbers) -> None:
    vectorize()
    for k in range(histogram.size):
        some = np.int32(tables[k]) + np.int32(tables[stride + k])
        others = np.int32(tables[2 * stride + k]) + np.int32(tables[3 * stride + k])
        histogram[k] += np.int32(some + others)


@scalar
def table_stride(entries: int) -> int:
    """Distance of the tables: not a multiple of 4 KiB, where a load would wait for a store to another table."""
    stride = (entries + 31) // 16 * 16
    return stride + 16 if stride % 1024 == 0 else stride


@scalar
def add_weights(index: Numbers, weight: Numbers, regions: int, weights: Numbers) -> None:
    """Add every example's weight to its region."""
    stride = table_stride(regions)
    second, third, fourth = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    for j in range(np.uint64(0), np.uint64(TILE), np.uint64(4)):
        weights[np.uint64(index[j])] += weight[j]
        weights[np.uint64(index[j + np.uint64(1)]) + second] += weight[j + np.uint64(1)]
        weights[np.uint64(index[j + np.uint64(2)]) + third] += weight[j + np.uint64(2)]
        weights[np.uint64(index[j + np.uint64(3)]) + fourth] += weight[j + np.uint64(3)]


@scalar
def collect_weights(weights: Numbers, regions: int, histogram: Numbers) -> None:
    """Add what was weighed to the histogram, and begin anew."""
    stride = table_stride(regions)
    for k in range(regions):
        for table in range(4):
            histogram[k] += weights[table * stride + k]
    weights[:] = 0.0
