"""A mu that follows the residuals, on a CPU: the kernel before the passes that does what `ResidualScale` does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchghm.kernels.cpu.density_step import (
    AFTER_THE_SUM,
    BEFORE_THE_SUM,
    REFUSE_NONFINITE,
    REFUSE_WEIGHTS,
    add_up,
    move_average,
)
from torchghm.kernels.cpu.simd.arithmetic import log1p_unit
from torchghm.kernels.cpu.simd.intrinsics import carray, elementwise, overload, scalar, vectorize
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, array_at
from torchghm.kernels.cpu.simd.vectors import bits, from_bits


def follow_float32(pointer: Any) -> None:
    """Before pass 1 of ``mu="auto"``: move the distribution of |d|, and set mu to its median."""
    _follow(carray(pointer, (1,))[0], np.float32)


def follow_float64(pointer: Any) -> None:
    """The same of float64 residuals."""
    _follow(carray(pointer, (1,))[0], np.float64)


@scalar
def _follow(a: Any, real: Any) -> None:
    counts = array_at(a.sizes, np.float64, 0, a.cells + 1)
    if a.stage != AFTER_THE_SUM:
        if a.refuse and _any_refused(a, real):
            a.refused = 1
            return
        _count_sizes(a, real, counts)
    if a.stage == BEFORE_THE_SUM:
        return
    fractions, seen = array_at(a.scale_fractions, np.float32, 0, a.cells), array_at(a.scale_seen, np.float32, 0, 1)
    estimate, batch = np.empty(a.cells), np.empty(a.cells)
    move_average(counts[: a.cells], fractions, seen, a.scale_momentum, a.training != 0, estimate, batch)
    place = _median(estimate, a.part_below)
    a.mu = real(a.smallest * 10.0 ** (place / a.cells_per_decade)) if place >= 0 else 1.0


@scalar
def _count_sizes(a: Any, real: Any, counts: Any) -> None:
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


@scalar
def _any_refused(a: Any, real: Any) -> Any:
    """Whether a residual or weight might be an error: then nothing may have been changed."""
    refused = 0
    for d in array_at(a.logits, real, 0, a.rows):
        refused += (a.refuse & REFUSE_NONFINITE) != 0 and not abs(d) < np.inf
    if a.weight and a.refuse & REFUSE_WEIGHTS:
        for weight in array_at(a.weight, real, 0, a.rows):
            refused += not weight >= 0
    return refused > 0


@elementwise
def _cells(real: Any, residual: Any, smallest: Any, per_decade: Any, cells: Any, cell: Any) -> None:
    """Cells of log |d|; the one beyond the last where d is not finite."""
    vectorize()
    last = real(cells) - real(1)
    for j in range(residual.size):
        size = abs(residual[j])
        place = _log10((size if size > smallest else smallest) / smallest) * per_decade
        inside = np.int32(place if place < last else last)
        cell[j] = inside if size < real(np.inf) else cells


def _log10(number: Any) -> Any:
    """log10 of a number of at least 1."""
    return math.log10(number)


@overload(_log10)
def _log10_vectorized(number: Any) -> Any:
    if number.bitwidth == 64:

        def library(number: Any) -> Any:
            return math.log10(number)

        return library

    def polynomial(number: Any) -> Any:
        integer = bits(number)
        exponent = np.float32(np.int32(integer >> 23) - np.int32(127))
        mantissa = from_bits(np.int32(np.int32(integer & np.int32(0x7FFFFF)) | np.int32(0x3F800000)))
        part: Any = log1p_unit(mantissa - np.float32(1.0))
        return exponent * np.float32(0.30103) + part * np.float32(0.4342944819)

    return polynomial


@scalar
def _median(estimate: Any, part_below: Any) -> Any:
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
