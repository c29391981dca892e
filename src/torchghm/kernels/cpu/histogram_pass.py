"""Pass 1 where every number is an example, logits and residuals alike: find regions and count them."""

from __future__ import annotations

import numpy as np
from numba import types

from torchghm.kernels.cpu.example_terms import norm_slope_and_loss, shared_terms
from torchghm.kernels.cpu.example_tiles import (
    Run,
    Tiles,
    count_nonfinite,
    hide_nonfinite,
    part_of,
    prepare,
    target_of,
    tiles_in,
)
from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.region_counts import COUNTS_BYTES, MOST, Counts, add_weights, collect, make_counts
from torchghm.kernels.cpu.simd import delayed_tables
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Option, Real
from torchghm.kernels.cpu.simd.arithmetic import Regions, region, regions_of
from torchghm.kernels.cpu.simd.bit_planes import count_in_planes
from torchghm.kernels.cpu.simd.compiling import arrays_by_types, by_types, elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.delayed_tables import DELAY, DELAY_LINE, DELAY_LINE_BYTES
from torchghm.kernels.cpu.simd.intrinsics import array_at, fetch_add, stack_memory
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, TILE_BYTES, load_numbers, store_numbers
from torchghm.kernels.cpu.simd.region_edges import load_edges, region_by_edges
from torchghm.kernels.cpu.simd.vectors import lanes, total, zero


@scalar
def count_examples(a: Arguments, real: Real, kind: Number, weighted: Option, few: Option, by_edges: Option) -> None:
    """Pass 1; a chunk's sums are the histogram, then how many are not finite, invalid targets, and positives.

    The last where there is room for one more, and of class indices alone. ``kind`` is as `prepare` wants it; the others
    are None or True, and only what they ask for is compiled.
    """
    tiles = tiles_in(stack_memory(4, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    line = delayed_tables.delay_line_in(stack_memory(1, DELAY_LINE_BYTES), a.regions, real)
    counts = make_counts(stack_memory(1, COUNTS_BYTES), a.regions, weighted, few, (tiles.index, line.index))
    regions = regions_of(a.regions, load_edges(a.regions, by_edges, real), real)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        nonfinite, invalid, positives = 0, 0, 0
        start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows * a.columns)
        while start < end:
            numbers, targets, size, hidden, invalid_here, flips, flipped = prepare(
                a, real, kind, weighted, start, end, tiles
            )
            if invalid_here and a.target_storage >= 0:
                hidden += hide_nonfinite(a, kind, tiles.targets, numbers, tiles, False)
            run = Run(numbers, target_of(kind, targets), None)
            nonfinite += _count_run(a, real, run, regions, tiles, counts, sums)
            if not a.weight:
                sums[0] -= hidden  # they were counted as g = 0
            if kind is None:
                _count_flipped(real, numbers, regions, tiles, 0 if flipped else flips, sums)
            invalid += invalid_here
            positives += flips
            start += size
        collect(counts, sums[: a.regions])
        sums[a.regions], sums[a.regions + 1] = nonfinite, invalid
        if a.width > a.regions + 2:
            sums[a.regions + 2] = positives


@arrays_by_types
def _count_run(
    a: Arguments, real: Real, run: Run, regions: Regions, tiles: Tiles, counts: Number, sums: Numbers
) -> Number:
    """Count a run, or add up its weights; returns how many numbers are not finite."""

    def number(
        a: Arguments, real: Real, run: Run, regions: Regions, tiles: Tiles, counts: Counts, sums: Numbers
    ) -> int:
        return count(real, run, regions, counts, a.leave_out_nonfinite != 0, sums)

    def weights(
        a: Arguments, real: Real, run: Run, regions: Regions, tiles: Tiles, counts: Counts, sums: Numbers
    ) -> int:
        return _count_weights(a, real, run, regions, tiles, counts)

    return weights if counts.types[0].dtype == types.float64 else number


@scalar
def _count_weights(a: Arguments, real: Real, run: Run, regions: Regions, tiles: Tiles, counts: Counts) -> int:
    """Add up the weights of a tile; returns how many numbers are not finite."""
    nonfinite = 0
    if find_regions(real, run, regions, tiles.index) != real(0):
        nonfinite = count_nonfinite(run.numbers)
        hide_nonfinite(a, run.target, run.numbers, run.numbers, tiles, a.leave_out_nonfinite != 0)
    add_weights(tiles.index, tiles.weight, counts.numbers)
    return nonfinite


@scalar
def _count_flipped(real: Real, run: Numbers, regions: Regions, tiles: Tiles, positives: int, sums: Numbers) -> None:
    """Count positives for what they are, where a run was counted as if there were none."""
    if positives == 0:
        return
    for i in range(positives):
        tiles.own[i] = run[tiles.flipped[i]]
    for times in (-1.0, 1.0):
        find_regions(real, Run(tiles.own, None, None), regions, tiles.index)
        for i in range(positives):
            sums[tiles.index[i]] += times
            tiles.own[i] = -tiles.own[i]


@scalar
def count(real: Real, run: Run, regions: Regions, counts: Counts, infinite: bool, histogram: Numbers) -> int:
    """Count the regions of a run, but of NaN, and of infinities where that is asked for; returns how many are either.

    ``histogram`` gets what has to leave ``counts``.
    """
    nonfinite = 0
    for first in range(0, run.numbers.size, MOST):
        part = part_of(run, first, MOST)
        if counts.counted[0] + part.numbers.size > MOST:
            collect(counts, histogram[: regions.number])
        counts.counted[0] += part.numbers.size
        if _count_part(real, part, regions, counts) != real(0):
            nonfinite += _take_back(real, part, regions, counts.index, infinite, histogram)
    return nonfinite


@by_types
def _count_part(real: Real, run: Run, regions: Regions, counts: Number) -> Number:
    """Count numbers that the counts have room for; returns 0 if all of them are finite."""
    if counts.types[0].dtype == types.int32:
        return lambda real, run, regions, counts: _count_few(real, run, regions, counts.index, counts.numbers)
    return lambda real, run, regions, counts: _count_many(real, run, regions, counts.delayed, counts.numbers)


@summing
def _count_few(real: Real, run: Run, regions: Regions, index: Numbers, planes: Numbers) -> Number:
    """Count in planes; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for first in range(0, run.numbers.size, TILE):
        for j in range(0, TILE, lanes(real)):
            store_numbers(index, j, _region(real, run, first + j, regions, regions.edges))
            trace += load_numbers(run.numbers, first + j) * real(0)  # NaN as soon as one is not finite
        count_in_planes(index, planes)
    return total(trace)


@summing
def _count_many(real: Real, run: Run, regions: Regions, delayed: Numbers, tables: Numbers) -> Number:
    """Count in tables; returns 0 if all numbers are finite.

    What a turn of the loop stores first was begun in the turn before: so no store waits for a whole computation.
    """
    vectorize()
    trace, step, stride, size = zero(real), lanes(real), tables.size // 4, run.numbers.size
    begun = shared_terms(real, run.numbers, run.target, 0)
    for j in range(0, size, step):
        norm = norm_slope_and_loss(real, run.target, begun)[0]
        store_numbers(delayed, j & (DELAY_LINE - 1), region(norm, regions))
        begun = shared_terms(real, run.numbers, run.target, min(j + step, size - step))
        trace += load_numbers(run.numbers, j) * real(0)
        if j >= DELAY:
            delayed_tables.count_in_memory(real, delayed, tables, stride, (j - DELAY) & (DELAY_LINE - 1))
    for j in range(size - DELAY, size, step):
        delayed_tables.count_in_memory(real, delayed, tables, stride, j & (DELAY_LINE - 1))
    return total(trace)


@summing
def find_regions(real: Real, tile: Run, regions: Regions, index: Numbers) -> Number:
    """The region of every number of a tile; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for j in range(0, TILE, lanes(real)):
        store_numbers(index, j, _region(real, tile, j, regions, regions.edges))
        trace += load_numbers(tile.numbers, j) * real(0)
    return total(trace)


@elementwise
def _region(real: Real, run: Run, j: int, regions: Regions, edges: Numbers) -> Number:
    if edges is None:  # an argument by itself: Numba leaves a branch out by an argument's type alone
        return region(norm_slope_and_loss(real, run.target, shared_terms(real, run.numbers, run.target, j))[0], regions)
    return region_by_edges(real, load_numbers(run.numbers, j), regions)


@scalar
def _take_back(real: Real, run: Run, regions: Regions, index: Numbers, infinite: bool, histogram: Numbers) -> int:
    """Take numbers that are not finite out of the histogram again; returns how many there are."""
    nonfinite = 0
    for first in range(0, run.numbers.size, TILE):
        tile = part_of(run, first, TILE)
        if find_regions(real, tile, regions, index) != real(0):
            for j in range(TILE):
                if not abs(tile.numbers[j]) < real(np.inf):
                    nonfinite += 1
                    if infinite or np.isnan(tile.numbers[j]):
                        histogram[index[j]] -= 1.0
    return nonfinite
