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
from torchghm.kernels.cpu.simd.arithmetic import Regions, has_no_edges, region, regions_of
from torchghm.kernels.cpu.simd.bit_planes import count_in_planes
from torchghm.kernels.cpu.simd.compiling import (
    arrays_by_types,
    by_types,
    part_of_caller,
    scalar,
    summing,
    summing_by_types,
    vectorize,
)
from torchghm.kernels.cpu.simd.delayed_tables import DELAY, DELAY_LINE, DELAY_LINE_BYTES
from torchghm.kernels.cpu.simd.intrinsics import array_at, fetch_add, stack_memory
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, TILE_BYTES, load_numbers, store_numbers
from torchghm.kernels.cpu.simd.region_edges import EDGES_BYTES, load_edges, region_by_edges
from torchghm.kernels.cpu.simd.vectors import lanes, total, zero


@part_of_caller
def count_examples(a: Arguments, real: Real, kind: Number, weighted: Option, few: Option, by_edges: Option) -> None:
    """Pass 1; a chunk's sums are the histogram, then how many are not finite, invalid targets, and positives.

    The last where there is room for one more, and of class indices alone. ``kind`` is as `prepare` wants it; the others
    are None or True, and only what they ask for is compiled.
    """
    tiles = tiles_in(stack_memory(4, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    line = delayed_tables.delay_line_in(stack_memory(1, DELAY_LINE_BYTES), a.regions, real, few)
    counts = make_counts(stack_memory(1, COUNTS_BYTES), a.regions, weighted, few, (tiles.index, line))
    edges = load_edges(stack_memory(1, EDGES_BYTES), a.regions, by_edges, real)
    regions = regions_of(a.regions, edges, real)
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
            nonfinite += count_run(a, real, run, regions, tiles, counts, sums)
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
def count_run(
    a: Arguments, real: Real, run: Run, regions: Regions, tiles: Tiles, counts: Number, histogram: Numbers
) -> Number:
    """Count a run's regions, or add up its weights; returns how many numbers are not finite.

    NaN is not counted, nor are infinities where they are left out. ``histogram`` gets what has to leave ``counts``.
    """

    def numbers(
        a: Arguments, real: Real, run: Run, regions: Regions, tiles: Tiles, counts: Counts, histogram: Numbers
    ) -> int:
        nonfinite = 0
        for first in range(0, run.numbers.size, MOST):
            part = part_of(run, first, MOST)
            if counts.counted[0] + part.numbers.size > MOST:
                collect(counts, histogram[: regions.number])
            counts.counted[0] += part.numbers.size
            if _count_part(real, part, regions, counts) != real(0):
                nonfinite += _take_back(real, part, regions, counts.index, a.leave_out_nonfinite != 0, histogram)
        return nonfinite

    def weights(
        a: Arguments, real: Real, run: Run, regions: Regions, tiles: Tiles, counts: Counts, histogram: Numbers
    ) -> int:
        nonfinite = 0
        if find_regions(real, run, regions, tiles.index) != real(0):
            nonfinite = count_nonfinite(run.numbers)
            hide_nonfinite(a, run.target, run.numbers, run.numbers, tiles, a.leave_out_nonfinite != 0)
        add_weights(tiles.index, tiles.weight, counts.numbers)
        return nonfinite

    return weights if counts.types[0].dtype == types.float64 else numbers


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


@summing_by_types
def _count_part(real: Real, run: Run, regions: Regions, counts: Number) -> Number:
    """Count numbers that the counts have room for, in planes or in tables; returns 0 if all of them are finite."""

    def in_planes(real: Real, run: Run, regions: Regions, counts: Counts) -> Number:
        vectorize()
        trace, index = zero(real), counts.index
        for first in range(0, run.numbers.size, TILE):
            for j in range(0, TILE, lanes(real)):
                store_numbers(index, j, _region(real, run, first + j, regions))
                trace += load_numbers(run.numbers, first + j) * real(0)  # NaN as soon as one is not finite
            count_in_planes(index, counts.numbers)
        return total(trace)

    def in_tables(real: Real, run: Run, regions: Regions, counts: Counts) -> Number:
        # What a turn of the loop stores first was begun in the turn before: so no store waits for a whole computation.
        vectorize()
        delayed, tables = counts.line.index, counts.numbers
        trace, step, size = zero(real), lanes(real), run.numbers.size
        begun = shared_terms(real, run.numbers, run.target, 0)
        for j in range(0, size, step):
            norm = norm_slope_and_loss(real, run.target, begun)[0]
            store_numbers(delayed, j & (DELAY_LINE - 1), region(norm, regions))
            begun = shared_terms(real, run.numbers, run.target, min(j + step, size - step))
            trace += load_numbers(run.numbers, j) * real(0)
            if j >= DELAY:
                delayed_tables.count_in_memory(real, delayed, tables, (j - DELAY) & (DELAY_LINE - 1))
        for j in range(size - DELAY, size, step):
            delayed_tables.count_in_memory(real, delayed, tables, j & (DELAY_LINE - 1))
        return total(trace)

    return in_planes if counts.types[0].dtype == types.int32 else in_tables


@summing
def find_regions(real: Real, tile: Run, regions: Regions, index: Numbers) -> Number:
    """The region of every number of a tile; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for j in range(0, TILE, lanes(real)):
        store_numbers(index, j, _region(real, tile, j, regions))
        trace += load_numbers(tile.numbers, j) * real(0)
    return total(trace)


@by_types
def _region(real: Real, run: Run, j: int, regions: Number) -> Number:
    def by_norm(real: Real, run: Run, j: int, regions: Regions) -> Number:
        return region(norm_slope_and_loss(real, run.target, shared_terms(real, run.numbers, run.target, j))[0], regions)

    def by_edges(real: Real, run: Run, j: int, regions: Regions) -> Number:
        return region_by_edges(real, load_numbers(run.numbers, j), regions)

    return by_norm if has_no_edges(regions) else by_edges


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
