"""Room for pass 1 to count regions in, or to add up weights in.

Up to 32 regions are counted in planes of bits, more in four tables that take turns: adding to a number that was just
stored waits for the store, and neighbours often share a region. Of 16 bits, four tables fit the first cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.np.numpy_support import carray

from torchghm.kernels.cpu.simd.annotations import Numbers
from torchghm.kernels.cpu.simd.bit_planes import COLUMNS, COUNTED, FEW
from torchghm.kernels.cpu.simd.compiling import elementwise, scalar, vectorize
from torchghm.kernels.cpu.simd.delayed_tables import paged
from torchghm.kernels.cpu.simd.intrinsics import element
from torchghm.kernels.cpu.simd.loads_and_stores import TILE

assert TILE == COUNTED

MOST = 4 * 65535 // TILE * TILE
"""Numbers that four tables of 16 bits can count, in one region even."""
COUNTS_BYTES = 4 * FEW * COLUMNS + 64
"""Memory for what is not in tables."""


class Counts(NamedTuple):
    """Counts since `collect_counts`: few regions in planes, many in tables; weights in others."""

    planes: Numbers
    """int32, as `count_in_planes` wants it."""
    tables: Numbers
    """uint16, four times `_table_stride`."""
    counted: Numbers
    """How many numbers, [1]."""
    weights: Numbers
    """float64, four times `_table_stride`; none without weights."""
    index: Numbers
    """Regions of a tile."""
    delayed: Numbers
    """Regions in the delay line."""


@scalar
def make_counts(memory: int, regions: int, weighted: bool, index: Numbers, delayed: Numbers) -> Counts:
    """Room to count in: 0 everywhere; ``memory`` is for `COUNTS_BYTES`."""
    few = regions <= FEW
    counts = Counts(
        planes=carray(element(memory + 64, 0, np.int32), (FEW * COLUMNS if few else 0,)),
        tables=paged(0 if few else 4 * _table_stride(regions), np.uint16),
        counted=carray(element(memory, 0, np.int64), (1,)),
        # None without weights, as freeing much makes the C library tidy up what others freed.
        weights=np.zeros(4 * _table_stride(regions) if weighted else 0, np.float64),
        index=index,
        delayed=delayed,
    )
    counts.planes[:] = 0
    counts.counted[0] = 0
    return counts


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


@scalar
def collect_weights(weights: Numbers, regions: int, histogram: Numbers) -> None:
    """Add what was weighed to the histogram, and begin anew."""
    for k in range(regions):
        for table in range(4):
            histogram[k] += weights[table * (weights.size // 4) + k]
    weights[:] = 0.0
