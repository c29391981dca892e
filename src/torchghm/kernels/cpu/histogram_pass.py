"""Pass 1 over a run of tiles, for every kind of example: find regions and count them.

Up to 32 regions are counted in planes of bits, more in four tables that take turns: adding to a number that was just
stored waits for the store, and neighbours often share a region. Of 16 bits, four tables fit the first cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from torchghm.kernels.cpu.example_terms import judge, terms
from torchghm.kernels.cpu.simd.arithmetic import region
from torchghm.kernels.cpu.simd.bit_planes import COLUMNS, COUNTED, FEW, count_in_planes
from torchghm.kernels.cpu.simd.delayed_tables import DELAY, RING, count_in_memory, paged
from torchghm.kernels.cpu.simd.intrinsics import carray, element, elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, load_numbers, store_numbers
from torchghm.kernels.cpu.simd.region_edges import region_by_edges
from torchghm.kernels.cpu.simd.vectors import lanes, total, zero

assert TILE == COUNTED

MOST = 4 * 65535 // TILE * TILE
"""Numbers that four tables of 16 bits can count, in one region even."""


class Counts(NamedTuple):
    """What was counted since `collect_counts`; where there are no planes, in tables."""

    planes: Any
    """int32, as `count_in_planes` wants it."""
    tables: Any
    """uint16, four times `table_stride`."""
    counted: Any
    """How many numbers, [1]."""


COUNTS_BYTES = 4 * FEW * COLUMNS + 64
"""Memory for what is not in tables."""


@scalar
def make_counts(memory: Any, regions: Any) -> Any:
    """Room to count in: 0 everywhere; ``memory`` is for `COUNTS_BYTES`."""
    few = regions <= FEW
    counts = Counts(
        planes=carray(element(memory + 64, 0, np.int32), (FEW * COLUMNS if few else 0,)),
        tables=paged(0 if few else 4 * table_stride(regions), np.uint16),
        counted=carray(element(memory, 0, np.int64), (1,)),
    )
    counts.planes[:] = 0
    counts.counted[0] = 0
    return counts


@scalar
def count(
    real: Any,
    run: Any,
    other: Any,
    edges: Any,
    regions: Any,
    index: Any,
    ring: Any,
    counts: Any,
    infinite: Any,
    histogram: Any,
) -> Any:
    """Count the regions of a run, but of NaN, and of infinities where that is asked for; returns how many are either.

    ``index`` is a tile; ``histogram`` gets what has to leave ``counts``.
    """
    nonfinite = 0
    for first in range(0, run.size, MOST):
        part = run[first : first + MOST]
        if counts.planes.size:
            trace = _count_few(real, part, other, edges, regions, index, counts.planes)
        else:
            if counts.counted[0] + part.size > MOST:
                collect_counts(counts, regions.number, histogram)
            counts.counted[0] += part.size
            trace = _count_many(real, part, other, regions, ring.index, counts.tables)
        if trace != real(0):
            nonfinite += _take_back(real, part, other, edges, regions, index, infinite, histogram)
    return nonfinite


@summing
def _count_few(real: Any, numbers: Any, other: Any, edges: Any, regions: Any, index: Any, planes: Any) -> Any:
    """Count in planes; returns 0 if all numbers are finite."""
    vectorize()
    trace = zero(real)
    for first in range(0, numbers.size, TILE):
        for j in range(0, TILE, lanes(real)):
            store_numbers(index, j, _region(real, numbers, other, first + j, edges, regions))
            trace += load_numbers(numbers, first + j) * real(0)  # NaN as soon as one is not finite
        count_in_planes(index, planes)
    return total(trace)


@summing
def _count_many(real: Any, numbers: Any, other: Any, regions: Any, index: Any, tables: Any) -> Any:
    """Count in tables; returns 0 if all numbers are finite.

    What a turn of the loop stores first was begun in the turn before: so no store waits for a whole computation.
    """
    vectorize()
    trace, step, stride = zero(real), lanes(real), tables.size // 4
    begun = terms(real, numbers, other, 0)
    for j in range(0, numbers.size, step):
        store_numbers(index, j & (RING - 1), region(judge(real, other, begun)[0], regions.scale, regions.last))
        begun = terms(real, numbers, other, min(j + step, numbers.size - step))
        trace += load_numbers(numbers, j) * real(0)
        if j >= DELAY:
            count_in_memory(real, index, tables, stride, (j - DELAY) & (RING - 1))
    for j in range(numbers.size - DELAY, numbers.size, step):
        count_in_memory(real, index, tables, stride, j & (RING - 1))
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
def _take_back(
    real: Any, run: Any, other: Any, edges: Any, regions: Any, index: Any, infinite: Any, histogram: Any
) -> Any:
    nonfinite = 0
    for first in range(0, run.size, TILE):
        tile = run[first : first + TILE]
        if find_regions(real, tile, other, edges, regions, index) != real(0):
            for j in range(TILE):
                if not abs(tile[j]) < real(np.inf):
                    nonfinite += 1
                    if infinite or np.isnan(tile[j]):
                        histogram[index[j]] -= 1.0
    return nonfinite


@scalar
def collect_counts(counts: Any, regions: Any, histogram: Any) -> None:
    """Add what was counted to the histogram, and begin anew."""
    if counts.planes.size:
        for k in range(regions):
            for column in range(COLUMNS):
                histogram[k] += counts.planes[k * COLUMNS + column]
    else:
        stride = counts.tables.size // 4
        _add_tables(
            counts.tables[:stride],
            counts.tables[stride : 2 * stride],
            counts.tables[2 * stride : 3 * stride],
            counts.tables[3 * stride :],
            histogram[:regions],
        )
    counts.planes[:] = 0
    counts.tables[:] = 0
    counts.counted[0] = 0


@elementwise
def _add_tables(first: Any, second: Any, third: Any, fourth: Any, histogram: Any) -> None:
    vectorize()
    for k in range(histogram.size):
        some = np.int32(first[k]) + np.int32(second[k])
        histogram[k] += np.int32(some + np.int32(third[k]) + np.int32(fourth[k]))


@scalar
def weight_tables(regions: Any, weighted: Any) -> Any:
    """Room for `add_weights`; none without weights, as freeing much makes the C library tidy up what others freed."""
    return np.zeros(4 * table_stride(regions) if weighted else 0, np.float64)


@scalar
def table_stride(entries: Any) -> Any:
    """Distance of the tables: not a multiple of 4 KiB, where a load would wait for a store to another table."""
    stride = (entries + 31) // 16 * 16
    return stride + 16 if stride % 1024 == 0 else stride


@scalar
def add_weights(index: Any, weight: Any, regions: Any, amounts: Any) -> None:
    """Add every example's weight to its region."""
    stride = table_stride(regions)
    second, third, fourth = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    for j in range(np.uint64(0), np.uint64(TILE), np.uint64(4)):
        amounts[np.uint64(index[j])] += weight[j]
        amounts[np.uint64(index[j + np.uint64(1)]) + second] += weight[j + np.uint64(1)]
        amounts[np.uint64(index[j + np.uint64(2)]) + third] += weight[j + np.uint64(2)]
        amounts[np.uint64(index[j + np.uint64(3)]) + fourth] += weight[j + np.uint64(3)]


@scalar
def collect_weights(amounts: Any, regions: Any, histogram: Any) -> None:
    """Add what was weighed to the histogram, and begin anew."""
    stride = table_stride(regions)
    for k in range(regions):
        for table in range(4):
            histogram[k] += amounts[table * stride + k]
    amounts[:] = 0.0
