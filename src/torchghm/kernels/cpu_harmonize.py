"""The end of pass 2: look up the table, and weigh losses and derivatives with what it says."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_intrinsics import elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu_registers import ENTRIES, LANES, look_up_in_memory, look_up_in_registers
from torchghm.kernels.cpu_storage import TILE, array_at


@scalar
def load_table(address: Any, regions: Any, real: Any) -> Any:
    """The table in the dtype of the arithmetic, filled up for registers."""
    table = np.zeros(max(regions, ENTRIES), real)
    table[:regions] = array_at(address, np.float64, 0, regions)
    return table


@scalar
def look_up(table: Any, index: Any, entries: Any) -> None:
    """``entries[j] = table[index[j]]`` for a tile."""
    if LANES and table.size == ENTRIES and table.itemsize == 4:
        _look_up_small(table, index, entries)
    elif table.itemsize == 4:
        for j in range(0, TILE, 16):
            look_up_in_memory(table, index, entries, j)
    else:
        for j in range(np.uint64(0), np.uint64(TILE), np.uint64(1)):
            entries[j] = table[np.uint64(index[j])]


@elementwise
def _look_up_small(table: Any, index: Any, entries: Any) -> None:
    vectorize()
    for j in range(0, TILE, LANES):
        look_up_in_registers(table, index, entries, j)


@summing
def harmonize(real: Any, slope: Any, loss: Any, weight: Any, entries: Any, gradient: Any) -> tuple[Any, Any, Any]:
    """Write the gradient of a tile; returns the sums of w L, |gradient| and table w L. Without weights w is 1."""
    vectorize()
    harmonized, plain, size = real(0), real(0), real(0)
    for j in range(TILE):
        amount, own = entries[j], loss[j]
        if weight is not None:
            amount, own = amount * weight[j], own * weight[j]
        gradient[j] = amount * slope[j]
        harmonized += amount * loss[j]
        plain += own
        size += abs(gradient[j])
    return plain, size, harmonized


@summing
def finite_size(real: Any, gradient: Any) -> Any:
    """The sum of |gradient| without NaN: a second look, for the rare tile that has one."""
    vectorize()
    size = real(0)
    for j in range(TILE):
        size += abs(gradient[j]) if gradient[j] == gradient[j] else real(0)
    return size
