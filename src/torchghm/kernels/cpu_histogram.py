"""Counting regions, for pass 1.

Up to 32 regions are counted in planes of bits, more in one table: several, which take turns, don't fit the first cache.
Weights are added in four tables, because adding to a number that was just stored waits for the store, and neighbours
often share a region.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_intrinsics import elementwise, scalar, vectorize
from torchghm.kernels.cpu_registers import COLUMNS, COUNTED, FEW, count_in_planes
from torchghm.kernels.cpu_storage import TILE

assert TILE == COUNTED


@scalar
def count_table(regions: Any) -> Any:
    """Room for `add_counts`, int32: whole counts stay exact, as float32 would not beyond 2^24."""
    return np.zeros(FEW * COLUMNS if regions <= FEW else regions, np.int32)


@scalar
def add_counts(index: Any, regions: Any, counts: Any) -> None:
    """Count every region of a tile."""
    if regions <= FEW:
        _count_in_planes(index, counts)
    else:
        _count_in_table(index, counts)


@elementwise
def _count_in_planes(index: Any, counts: Any) -> None:
    vectorize()
    count_in_planes(index, counts)


@scalar
def _count_in_table(index: Any, counts: Any) -> None:
    for j in range(np.uint64(0), np.uint64(TILE), np.uint64(1)):  # unsigned: no check for a negative index
        counts[np.uint64(index[j])] += np.int32(1)


@scalar
def collect_counts(counts: Any, regions: Any, histogram: Any) -> None:
    """Add what was counted to the histogram, and begin anew."""
    if regions <= FEW:
        for k in range(regions):
            for column in range(COLUMNS):
                histogram[k] += counts[k * COLUMNS + column]
    else:
        for k in range(regions):
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
