"""The two passes of GHM-R on a CPU: every box coordinate is an example.

g = |d| / sqrt(d^2 + mu^2) and ASL1(d) = sqrt(d^2 + mu^2) - mu; the larger of |d| and mu is taken out of the root, so
that no square overflows. A coordinate that is no example has d = 0, where g, L and the gradient are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu_arithmetic import region, region_scale
from torchghm.kernels.cpu_examples import count_nonfinite
from torchghm.kernels.cpu_harmonize import finite_size, harmonize, load_table, look_up
from torchghm.kernels.cpu_histogram import (
    add_counts,
    add_weights,
    collect_counts,
    collect_weights,
    count_table,
    weight_tables,
)
from torchghm.kernels.cpu_intrinsics import carray, elementwise, fetch_add, scalar, stack_memory, vectorize
from torchghm.kernels.cpu_storage import TILE, TILE_BYTES, array_at, load, store, tile


def histogram_float32(pointer: Any) -> None:
    """Pass 1; a chunk's sums are the histogram, the number of non-finite residuals and 0."""
    _histogram(carray(pointer, (1,))[0], np.float32)


def histogram_float64(pointer: Any) -> None:
    """Pass 1 in float64."""
    _histogram(carray(pointer, (1,))[0], np.float64)


def loss_float32(pointer: Any) -> None:
    """Pass 2; a chunk's sums are w L, |gradient|, 0, and table w L."""
    _loss(carray(pointer, (1,))[0], np.float32)


def loss_float64(pointer: Any) -> None:
    """Pass 2 in float64."""
    _loss(carray(pointer, (1,))[0], np.float64)


@scalar
def _prepare(a: Any, real: Any, start: Any, count: Any, residual: Any, weight: Any) -> None:
    load(a.storage, a.logits, start, count, residual)
    residual[count:] = real(0)
    if a.weight:
        weight[:count] = array_at(a.weight, real, start, count)
        weight[count:] = real(0)


@scalar
def _hide_nonfinite(a: Any, residual: Any, weight: Any, infinite: Any) -> Any:
    hidden = 0
    for j in range(TILE):
        if np.isnan(residual[j]) or (infinite and np.isinf(residual[j])):
            residual[j] = 0
            if a.weight:
                weight[j] = 0
            hidden += 1
    return hidden


@scalar
def _histogram(a: Any, real: Any) -> None:
    reals, integers = stack_memory(4, TILE_BYTES), stack_memory(1, TILE_BYTES)
    residual, weight, slope = tile(reals, 0, real), tile(reals, 1, real), tile(reals, 2, real)
    loss, index = tile(reals, 3, real), tile(integers, 0, np.int32)
    counts, amounts = count_table(a.regions), weight_tables(a.regions, a.weight != 0)
    mu, scale, last = real(a.mu), region_scale(real, a.regions), real(a.regions - 1)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        nonfinite, hidden = 0, 0
        for start in range(chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows), TILE):
            count = min(TILE, a.rows - start)
            hidden += TILE - count
            _prepare(a, real, start, count, residual, weight)
            nonfinite_here = count_nonfinite(residual)
            if nonfinite_here:
                nonfinite += nonfinite_here
                hidden += _hide_nonfinite(a, residual, weight, a.leave_out_nonfinite != 0)
            _asl1(real, residual, mu, slope, loss, index, scale, last)
            if a.weight:
                add_weights(index, weight, a.regions, amounts)
            else:
                add_counts(index, a.regions, counts)
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        sums[a.regions] = nonfinite
        if a.weight:
            collect_weights(amounts, a.regions, sums)
        else:
            collect_counts(counts, a.regions, sums)
            sums[0] -= hidden  # they were counted as g = 0


@scalar
def _loss(a: Any, real: Any) -> None:
    reals, integers = stack_memory(6, TILE_BYTES), stack_memory(1, TILE_BYTES)
    residual, weight, slope = tile(reals, 0, real), tile(reals, 1, real), tile(reals, 2, real)
    loss, entries, gradient = tile(reals, 3, real), tile(reals, 4, real), tile(reals, 5, real)
    index = tile(integers, 0, np.int32)
    weight[:] = real(1)
    table = load_table(a.table, a.regions, real)
    mu, scale, last = real(a.mu), region_scale(real, a.regions), real(a.regions - 1)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        plain, size, harmonized = 0.0, 0.0, 0.0
        for start in range(chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows), TILE):
            count = min(TILE, a.rows - start)
            _prepare(a, real, start, count, residual, weight)
            if a.leave_out_nonfinite and count_nonfinite(residual):
                _hide_nonfinite(a, residual, weight, True)
            _asl1(real, residual, mu, slope, loss, index, scale, last)
            look_up(table, index, entries)
            if a.weight:
                sums = harmonize(real, slope, loss, weight, entries, gradient)
            else:
                sums = harmonize(real, slope, loss, None, entries, gradient)
            plain += sums[0]
            size += sums[1] if sums[1] == sums[1] else finite_size(real, gradient)
            harmonized += sums[2]
            store(a.storage, a.gradient, start, count, gradient)
        array_at(a.sums, np.float64, chunk * 4, 4)[:] = (plain, size, 0.0, harmonized)
        if a.chunks == 1:
            array_at(a.loss, real, 0, 1)[0] = harmonized


@elementwise
def _asl1(real: Any, residual: Any, mu: Any, slope: Any, loss: Any, index: Any, scale: Any, last: Any) -> None:
    """d to L, its derivative, and the region of that; NaN stays NaN."""
    vectorize()
    for j in range(TILE):
        d = residual[j]
        size = abs(d)
        larger, smaller = (mu if size < mu else size), (size if size < mu else mu)
        ratio = smaller / larger
        root = larger * np.sqrt(real(1) + ratio * ratio)
        infinite = size == real(np.inf)
        slope[j] = (real(-1) if d < real(0) else real(1)) if infinite else d / root
        loss[j] = size if infinite else size / (root + mu) * size
        index[j] = region(abs(slope[j]), scale, real(0), last)
