"""Counting regions, the part of pass 1 that no vector instruction does.

Neighbours often share a region, and adding to a number that was just stored waits for the store. So four tables take
turns, and few regions are counted in pairs: one addition for two examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_intrinsics import elementwise, scalar, vectorize
from torchghm.kernels.cpu_storage import TILE

PAIRED = 32
"""Up to so many regions a table of all pairs fits the first cache beside the tiles."""
_MANY = 16 * TILE
"""From so many examples on, counting pairs saves more than adding up a table of all pairs costs."""


@scalar
def table_stride(entries: Any) -> Any:
    """Distance of the tables: not a multiple of 4 KiB, where a load would wait for a store to another table."""
    stride = (entries + 31) // 16 * 16
    return stride + 16 if stride % 1024 == 0 else stride


@scalar
def in_pairs(regions: Any, examples: Any) -> Any:
    """Whether to count pairs of regions for so many examples."""
    return regions <= PAIRED and examples >= _MANY


@scalar
def count_tables(regions: Any, paired: Any) -> Any:
    """Room for `add_counts`, int32: whole counts stay exact, as float32 would not beyond 2^24."""
    return np.zeros(4 * table_stride(PAIRED * PAIRED if paired else regions), np.int32)


@scalar
def add_counts(index: Any, regions: Any, paired: Any, pairs: Any, counts: Any) -> None:
    """Count every region of a tile; ``pairs`` is scratch of half a tile."""
    if paired:
        _pair(index, pairs)
        _count(pairs, TILE // 2, counts, table_stride(PAIRED * PAIRED))
    else:
        _count(index, TILE, counts, table_stride(regions))


@elementwise
def _pair(index: Any, pairs: Any) -> None:
    vectorize()
    for j in range(TILE // 2):
        pairs[j] = np.int32(index[j] * np.int32(PAIRED) + index[j + TILE // 2])


@scalar
def _count(index: Any, count: Any, counts: Any, stride: Any) -> None:
    # Unsigned, so that no index is checked for Python's meaning of a negative one.
    second, third, fourth = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    for j in range(np.uint64(0), np.uint64(count), np.uint64(4)):
        counts[np.uint64(index[j])] += np.int32(1)
        counts[np.uint64(index[j + np.uint64(1)]) + second] += np.int32(1)
        counts[np.uint64(index[j + np.uint64(2)]) + third] += np.int32(1)
        counts[np.uint64(index[j + np.uint64(3)]) + fourth] += np.int32(1)


@scalar
def collect_counts(counts: Any, regions: Any, paired: Any, histogram: Any) -> None:
    """Add what was counted to the histogram, and begin anew."""
    stride = table_stride(PAIRED * PAIRED if paired else regions)
    for table in range(4):
        part = counts[table * stride : (table + 1) * stride]
        if paired:
            _add_pairs(part, regions, histogram)
        else:
            for k in range(regions):
                histogram[k] += part[k]
    counts[:] = 0


@scalar
def _add_pairs(counts: Any, regions: Any, histogram: Any) -> None:
    """Every pair counts for both of its regions; a row holds the pairs of one first region."""
    seconds = np.zeros(PAIRED, np.int64)
    for first in range(regions):
        histogram[first] += _add_row(counts[first * PAIRED : (first + 1) * PAIRED], seconds)
    for second in range(regions):
        histogram[second] += seconds[second]


@elementwise
def _add_row(row: Any, seconds: Any) -> Any:
    vectorize()
    total = np.int64(0)
    for second in range(PAIRED):
        seconds[second] += row[second]
        total += row[second]
    return total


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
