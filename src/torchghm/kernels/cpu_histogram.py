"""Counting regions, for pass 1.

Neighbours often share a region, and adding to a number that was just stored waits for the store. So up to 32 regions
are counted without a table, in planes of bits; for more, four tables take turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_intrinsics import elementwise, scalar, vectorize
from torchghm.kernels.cpu_registers import COLUMNS, COUNTED, FEW, count_in_planes
from torchghm.kernels.cpu_storage import TILE

assert TILE == COUNTED


@scalar
def table_stride(entries: Any) -> Any:
    """Distance of the tables: not a multiple of 4 KiB, where a load would wait for a store to another table."""
    stride = (entries + 31) // 16 * 16
    return stride + 16 if stride % 1024 == 0 else stride


@scalar
def count_tables(regions: Any) -> Any:
    """Room for `add_counts`, int32: whole counts stay exact, as float32 would not beyond 2^24."""
    if regions <= FEW:
        return np.zeros(FEW * COLUMNS, np.int32)
    return np.zeros(4 * table_stride(regions), np.int32)


@scalar
def add_counts(index: Any, regions: Any, counts: Any) -> None:
    """Count every region of a tile."""
    if regions <= FEW:
        _count_in_planes(index, counts)
    else:
        _count_in_tables(index, counts, table_stride(regions))


@elementwise
def _count_in_planes(index: Any, counts: Any) -> None:
    vectorize()
    count_in_planes(index, counts)


@scalar
def _count_in_tables(index: Any, counts: Any, stride: Any) -> None:
    # Unsigned, so that no index is checked for Python's meaning of a negative one.
    second, third, fourth = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    for j in range(np.uint64(0), np.uint64(TILE), np.uint64(4)):
        counts[np.uint64(index[j])] += np.int32(1)
        counts[np.uint64(index[j + np.uint64(1)]) + second] += np.int32(1)
        counts[np.uint64(index[j + np.uint64(2)]) + third] += np.int32(1)
        counts[np.uint64(index[j + np.uint64(3)]) + fourth] += np.int32(1)


@scalar
def collect_counts(counts: Any, regions: Any, histogram: Any) -> None:
    """Add what was counted to the histogram, and begin anew."""
    if regions <= FEW:
        for k in range(regions):
            for column in range(COLUMNS):
                histogram[k] += counts[k * COLUMNS + column]
    else:
        for table in range(4):
            begin = table * table_stride(regions)
            for k in range(regions):
                histogram[k] += counts[begin + k]
    counts[:] = 0


@scalar
def weight_tables(regions: Any) -> Any:
    """Room for `add_weights`."""
    return np.zeros(4 * table_stride(regions), np.float64)


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
