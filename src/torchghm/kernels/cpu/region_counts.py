"""Room for pass 1 to count regions in, or to add up weights in.

With AVX-512 up to 32 regions are counted in planes of bits, all others in four tables that take turns: adding to a
number that was just stored waits for the store, and neighbours often share a region. Of 16 bits, four tables fit the
first cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Option
from torchghm.kernels.cpu.simd.bit_planes import COLUMNS, COUNTED, FEW
from torchghm.kernels.cpu.simd.compiling import arrays_by_types, by_types, elementwise, scalar, vectorize
from torchghm.kernels.cpu.simd.delayed_tables import paged
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.loads_and_stores import TILE

assert TILE == COUNTED

MOST = 4 * 65535 // TILE * TILE
"""Numbers that four tables of 16 bits can count, in one region even."""
COUNTS_BYTES = 4 * FEW * COLUMNS + 64
"""Memory for what is not in tables."""


class Counts(NamedTuple):
    """Counts or weights since `collect`; the dtype says which."""

    numbers: Numbers
    """int32, planes as `count_in_planes` wants them; or four tables, uint16 of counts or float64 of weights."""
    counted: Numbers
    """How many numbers, [1]."""
    index: Numbers
    """Regions of a tile."""
    line: Number
    """`DelayLine`; None beside planes."""


@scalar
def make_counts(memory: int, regions: int, weighted: Option, few: Option, places: tuple[Numbers, Number]) -> Counts:
    """Room to count in: 0 everywhere; ``memory`` is for `COUNTS_BYTES`, ``places`` are `Counts.index` and `line`."""
    numbers, counted = _room(memory + 64, regions, weighted, few), array_at(memory, np.int64, 0, 1)
    numbers[:], counted[:] = 0, 0
    return Counts(numbers, counted, places[0], places[1])


@arrays_by_types
def _room(memory: int, regions: int, weighted: Option, few: Option) -> Numbers:
    if weighted != types.none:
        return lambda memory, regions, weighted, few: paged(4 * _table_stride(regions), np.float64)
    if few != types.none:
        return lambda memory, regions, weighted, few: array_at(memory, np.int32, 0, FEW * COLUMNS)
    return lambda memory, regions, weighted, few: paged(4 * _table_stride(regions), np.uint16)


@scalar
def collect(counts: Counts, histogram: Numbers) -> None:
    """Add what was counted to the histogram, and begin anew."""
    _add_counts(counts.numbers, histogram)
    counts.numbers[:] = 0
    counts.counted[0] = 0


@by_types
def _add_counts(numbers: Numbers, histogram: Numbers) -> Number:
    def planes(numbers: Numbers, histogram: Numbers) -> None:
        for k in range(histogram.size):
            for column in range(COLUMNS):
                histogram[k] += numbers[k * COLUMNS + column]

    return planes if numbers.dtype == types.int32 else lambda numbers, histogram: _add_tables(numbers, histogram)


@elementwise
def _add_tables(tables: Numbers, histogram: Numbers) -> None:
    vectorize()
    stride = tables.size // 4
    for k in range(histogram.size):
        total = histogram[k] + tables[k]
        total += tables[stride + k]
        total += tables[2 * stride + k]
        histogram[k] = total + tables[3 * stride + k]


@scalar
def _table_stride(entries: int) -> int:
    """Distance of the tables: not a multiple of 4 KiB, where a load would wait for a store to another table."""
    stride = (entries + 31) // 16 * 16
    return stride + 16 if stride % 1024 == 0 else stride


@scalar
def add_weights(index: Numbers, weight: Numbers, weights: Numbers) -> None:
    """Add every example's weight to its region."""
    stride = weights.size // 4
    second, third, fourth = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    for j in range(np.uint64(0), np.uint64(TILE), np.uint64(4)):
        weights[np.uint64(index[j])] += weight[j]
        weights[np.uint64(index[j + np.uint64(1)]) + second] += weight[j + np.uint64(1)]
        weights[np.uint64(index[j + np.uint64(2)]) + third] += weight[j + np.uint64(2)]
        weights[np.uint64(index[j + np.uint64(3)]) + fourth] += weight[j + np.uint64(3)]
