"""The running median of |d| that ``mu="auto"`` follows, as a kernel before the passes: see `ResidualScale`."""

from __future__ import annotations

import math

import numpy as np

from torchghm.kernels.cpu.density_step import add_up, move_average, residual_average
from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Real
from torchghm.kernels.cpu.simd.arithmetic import log1p_unit
from torchghm.kernels.cpu.simd.compiling import by_types, elementwise, scalar, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.loads_and_stores import TILE
from torchghm.kernels.cpu.simd.vectors import bits, from_bits


@scalar
def set_mu(a: Arguments, real: Real) -> None:
    """Before pass 1 of ``mu="auto"``: set mu to the median of |d| that the batch leads to; nothing is stored yet."""
    counts = array_at(a.residual_histogram, np.float64, 0, a.cells + 1)
    _count_sizes(a, real, counts)
    estimate = np.empty(a.cells)
    move_average(counts[: a.cells], residual_average(a), False, estimate, np.empty(a.cells))
    place = median_cell(estimate, a.part_below)
    a.mu = real(a.smallest * 10.0 ** (place / a.cells_per_decade)) if place >= 0 else 1.0


@scalar
def _count_sizes(a: Arguments, real: Real, counts: Numbers) -> None:
    """The distribution of log |d|, and behind it how much is not finite."""
    counts[:] = 0.0
    cell = np.empty(TILE, np.int32)
    for start in range(0, a.rows, TILE):
        count = min(TILE, a.rows - start)
        residual = array_at(a.logits, real, start, count)
        _cells(real, residual, real(a.smallest), real(a.cells_per_decade), np.int32(a.cells), cell)
        if a.weight:
            weight = array_at(a.weight, real, start, count)
            for j in range(count):
                counts[np.uint64(cell[j])] += weight[j]
        else:
            for j in range(count):
                counts[np.uint64(cell[j])] += 1.0


@elementwise
def _cells(real: Real, residual: Numbers, smallest: Number, per_decade: Number, cells: Number, cell: Numbers) -> None:
    """Cells of log |d|; the one beyond the last where d is not finite."""
    vectorize()
    last = real(cells) - real(1)
    for j in range(residual.size):
        size = abs(residual[j])
        place = _log10((size if size > smallest else smallest) / smallest) * per_decade
        inside = np.int32(place if place < last else last)
        cell[j] = inside if size < real(np.inf) else cells


@by_types
def _log10(number: Number) -> Number:
    """log10 of a number of at least 1."""
    if number.bitwidth == 64:
        return lambda number: math.log10(number)

    def polynomial(number: Number) -> Number:
        integer = bits(number)
        exponent = np.float32(np.int32(integer >> 23) - np.int32(127))
        mantissa = from_bits(np.int32(np.int32(integer & np.int32(0x7FFFFF)) | np.int32(0x3F800000)))
        part: Number = log1p_unit(mantissa - np.float32(1.0))
        return exponent * np.float32(0.30103) + part * np.float32(0.4342944819)

    return polynomial


@scalar
def median_cell(estimate: Numbers, part_below: Number) -> Number:
    """The median's place in cells, -1 where there was no example yet."""
    half = add_up(estimate) * part_below
    if not half > 0:
        return -1.0
    below, cell = 0.0, 0
    while cell < estimate.size - 1 and below + estimate[cell] < half:
        below += estimate[cell]
        cell += 1
    inside = (half - below) / estimate[cell] if estimate[cell] > 0 else 0.0
    return cell + min(max(inside, 0.0), 1.0)
