"""The end of pass 2: look up the table, and weigh losses and derivatives with what it says.

A processor's gather reads one number after the other. Up to 32 entries stay in two or four vector registers instead,
and looking one up is a permutation of each; above, plain loads beat the gather.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_intrinsics import LANES, elementwise, look_up_in_registers, scalar, summing, vectorize
from torchghm.kernels.cpu_storage import TILE, array_at

SMALL = 32
"""Up to so many float32 entries are looked up in registers."""


@scalar
def load_table(address: Any, regions: Any, real: Any) -> Any:
    """The table in the dtype of the arithmetic, with room for two registers at least."""
    table = np.zeros(max(regions, SMALL), real)
    table[:regions] = array_at(address, np.float64, 0, regions)
    return table


@scalar
def look_up(table: Any, index: Any, entries: Any) -> None:
    """``entries[j] = table[index[j]]`` for a tile."""
    if LANES and table.size == SMALL and table.itemsize == 4:
        _look_up_small(table, index, entries)
    else:
        for j in range(np.uint64(0), np.uint64(TILE), np.uint64(1)):
            entries[j] = table[np.uint64(index[j])]


@elementwise
def _look_up_small(table: Any, index: Any, entries: Any) -> None:
    vectorize()
    for j in range(0, TILE, LANES):
        look_up_in_registers(table, index, entries, j)


@scalar
def harmonize(
    weighted: Any, real: Any, slope: Any, loss: Any, weight: Any, entries: Any, gradient: Any, sums: Any
) -> None:
    """Write the gradient; add the tile to the sums: w L in 0, |gradient| (NaN counts as 0) in 1, table w L in 3."""
    if weighted:
        harmonized, plain, size = _harmonize(real, slope, loss, weight, entries, gradient)
    else:
        harmonized, plain, size = _harmonize(real, slope, loss, None, entries, gradient)
    sums[0] += plain
    sums[1] += size if size == size else _finite_size(real, gradient)
    sums[3] += harmonized


@summing
def _harmonize(real: Any, slope: Any, loss: Any, weight: Any, entries: Any, gradient: Any) -> tuple[Any, Any, Any]:
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
    return harmonized, plain, size


@summing
def _finite_size(real: Any, gradient: Any) -> Any:
    """The sum of |gradient| without NaN: a second look, for the rare tile that has one."""
    vectorize()
    size = real(0)
    for j in range(TILE):
        size += abs(gradient[j]) if gradient[j] == gradient[j] else real(0)
    return size
