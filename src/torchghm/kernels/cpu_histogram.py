"""Pass 1 over a run of tiles, for every kind of example: find regions and count them.

Up to 32 regions are counted in planes of bits, more in one table: several, which take turns, don't fit the first cache.
Weights are added in four tables, because adding to a number that was just stored waits for the store, and neighbours
often share a region.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_arithmetic import region
from torchghm.kernels.cpu_edges import region_by_edges
from torchghm.kernels.cpu_intrinsics import elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu_kinds import judge, terms
from torchghm.kernels.cpu_registers import COLUMNS, COUNTED, FEW, count_in_planes, load_numbers, store_numbers
from torchghm.kernels.cpu_ring import DELAY, RING, count_in_memory, paged
from torchghm.kernels.cpu_storage import TILE
from torchghm.kernels.cpu_vectors import lanes, total, zero

assert TILE == COUNTED


@scalar
def count_table(regions: Any, planes: Any) -> Any:
    """Room to count in, int32: whole counts stay exact, as float32 would not beyond 2^24."""
    return np.zeros(FEW * COLUMNS, np.int32) if planes else paged(regions, np.int32)


@summing
def count_few(real: Any, numbers: Any, other: Any, edges: Any, regions: Any, index: Any, counts: Any) -> Any:
    """Count the regions of a run in planes; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for first in range(0, numbers.size, TILE):
        for j in range(0, TILE, lanes(real)):
            store_numbers(index, j, _region(real, numbers, other, first + j, edges, regions))
            trace += load_numbers(numbers, first + j) * real(0)  # NaN as soon as one is not finite
        count_in_planes(index, counts)
    return total(trace)


@summing
def count_many(real: Any, numbers: Any, other: Any, regions: Any, index: Any, counts: Any) -> Any:
    """Count the regions of a run in a table; returns 0 if all numbers are finite. ``index`` is a ring.

    What a turn of the loop stores first was begun in the turn before: so no store waits for a whole computation.
    """
    vectorize()
    trace, step = zero(real), lanes(real)
    begun = terms(real, numbers, other, 0)
    for j in range(0, numbers.size, step):
        store_numbers(index, j & (RING - 1), region(judge(real, other, begun)[0], regions.scale, regions.last))
        begun = terms(real, numbers, other, min(j + step, numbers.size - step))
        trace += load_numbers(numbers, j) * real(0)
        if j >= DELAY:
            count_in_memory(real, index, counts, (j - DELAY) & (RING - 1))
    for j in range(numbers.size - DELAY, numbers.size, step):
        count_in_memory(real, index, counts, j & (RING - 1))
    return total(trace)


@summing
def find_regions(real: Any, numbers: Any, other: Any, edges: Any, regions: Any, index: Any) -> Any:
    """The region of every number of a tile, by edges where there are any; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for j in range(0, TILE, lanes(real)):
        store_numbers(index, j, _region(real, numbers, other, j, edges, regions))
        trace += load_numbers(numbers, j) * real(0)
    return total(trace)


@elementwise
def _region(real: Any, numbers: Any, other: Any, j: Any, edges: Any, regions: Any) -> Any:
    if edges is None:
        norm = judge(real, other, terms(real, numbers, other, j))[0]
        return region(norm, regions.scale, regions.last)
    return region_by_edges(real, load_numbers(numbers, j), edges, regions)


@scalar
def add_count(region: Any, times: Any, planes: Any, counts: Any) -> None:
    """Count one region so many times more."""
    counts[region * COLUMNS if planes else region] += np.int32(times)


@scalar
def take_back_nonfinite(
    real: Any, run: Any, other: Any, edges: Any, regions: Any, index: Any, planes: Any, counts: Any, infinite: Any
) -> Any:
    """Undo the counts of NaN, and of infinities where that is asked for; returns how many are either."""
    nonfinite = 0
    for first in range(0, run.size, TILE):
        tile = run[first : first + TILE]
        if find_regions(real, tile, other, edges, regions, index) != real(0):
            for j in range(TILE):
                if not abs(tile[j]) < real(np.inf):
                    nonfinite += 1
                    if infinite or np.isnan(tile[j]):
                        add_count(index[j], -1, planes, counts)
    return nonfinite


@scalar
def collect_counts(counts: Any, regions: Any, planes: Any, histogram: Any) -> None:
    """Add what was counted to the histogram, and begin anew."""
    for k in range(regions):
        if planes:
            for column in range(COLUMNS):
                histogram[k] += counts[k * COLUMNS + column]
        else:
            histogram[k] += counts[k]
    counts[:] = 0


@scalar
def weight_tables(regions: Any, weighted: Any) -> Any:
    """Room for `add_weights`; none without weights, as freeing much makes the C library tidy up what others freed."""
    return np.zeros(4 * _stride(regions) if weighted else 0, np.float64)


@scalar
def _stride(entries: Any) -> Any:
    """Distance of the tables: not a multiple of 4 KiB, where a load would wait for a store to another table."""
    stride = (entries + 31) // 16 * 16
    return stride + 16 if stride % 1024 == 0 else stride


@scalar
def add_weights(index: Any, weight: Any, regions: Any, amounts: Any) -> None:
    """Add every example's weight to its region."""
    stride = _stride(regions)
    second, third, fourth = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    for j in range(np.uint64(0), np.uint64(TILE), np.uint64(4)):
        amounts[np.uint64(index[j])] += weight[j]
        amounts[np.uint64(index[j + np.uint64(1)]) + second] += weight[j + np.uint64(1)]
        amounts[np.uint64(index[j + np.uint64(2)]) + third] += weight[j + np.uint64(2)]
        amounts[np.uint64(index[j + np.uint64(3)]) + fourth] += weight[j + np.uint64(3)]


@scalar
def collect_weights(amounts: Any, regions: Any, histogram: Any) -> None:
    """Add what was weighed to the histogram, and begin anew."""
    stride = _stride(regions)
    for k in range(regions):
        for table in range(4):
            histogram[k] += amounts[table * stride + k]
    amounts[:] = 0.0
