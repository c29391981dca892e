"""The two passes of GHM-R on a CPU: every box coordinate is an example.

A coordinate that is no example has d = 0, where g, L and the gradient are 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from torchghm.kernels.cpu.example_tiles import count_nonfinite
from torchghm.kernels.cpu.histogram_pass import (
    COUNTS_BYTES,
    add_weights,
    collect_counts,
    collect_weights,
    count,
    find_regions,
    make_counts,
    weight_tables,
)
from torchghm.kernels.cpu.loss_pass import finite_size, harmonize, load_table
from torchghm.kernels.cpu.simd.arithmetic import regions_of
from torchghm.kernels.cpu.simd.delayed_tables import RING_BYTES, ring_in
from torchghm.kernels.cpu.simd.intrinsics import carray, fence, fetch_add, scalar, stack_memory
from torchghm.kernels.cpu.simd.loads_and_stores import (
    FLOAT32,
    FLOAT64,
    STREAMED,
    TILE,
    TILE_BYTES,
    array_at,
    load,
    store,
    tile,
)


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


class _Tiles(NamedTuple):
    """What a tile is worked on in; [TILE] each."""

    own: Any
    """Residuals, where they can't be read as they lie."""
    weight: Any
    gradient: Any
    index: Any


@scalar
def _tiles_in(reals: Any, integers: Any, real: Any) -> Any:
    return _Tiles(tile(reals, 0, real), tile(reals, 1, real), tile(reals, 2, real), tile(integers, 0, np.int32))


@scalar
def _prepare(a: Any, real: Any, start: Any, end: Any, tiles: Any) -> tuple[Any, Any]:
    """Residuals from ``start`` on: tiles of the tensor itself where nothing is to be changed; and how many."""
    own, weight, whole = tiles.own, tiles.weight, (end - start) // TILE * TILE
    as_it_lies = a.storage == (FLOAT32 if own.itemsize == 4 else FLOAT64)
    if as_it_lies and whole and not a.weight and not a.leave_out_nonfinite:
        return array_at(a.logits, real, start, whole), whole
    number = min(TILE, end - start)
    load(a.storage, a.logits, start, number, own)
    own[number:] = real(0)
    if a.weight:
        weight[:number] = array_at(a.weight, real, start, number)
        weight[number:] = real(0)
    return own, number


@scalar
def _hide_nonfinite(a: Any, residual: Any, weight: Any, infinite: Any) -> None:
    for j in range(TILE):
        if np.isnan(residual[j]) or (infinite and np.isinf(residual[j])):
            residual[j] = 0
            if a.weight:
                weight[j] = 0


@scalar
def _histogram(a: Any, real: Any) -> None:
    tiles = _tiles_in(stack_memory(3, TILE_BYTES), stack_memory(1, TILE_BYTES), real)
    ring = ring_in(stack_memory(1, RING_BYTES), a.regions, real)
    counts = make_counts(stack_memory(1, COUNTS_BYTES), a.regions)
    amounts = weight_tables(a.regions, a.weight != 0)
    mu, regions, leave_out = real(a.mu), regions_of(a.regions, real), a.leave_out_nonfinite != 0
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows)
        while start < end:
            run, number = _prepare(a, real, start, end, tiles)
            if not a.weight:
                nonfinite = count(real, run, mu, None, regions, tiles.index, ring, counts, leave_out, sums)
                sums[a.regions] += nonfinite
                sums[0] -= run.size - number  # they were counted as g = 0
            else:
                if find_regions(real, run, mu, None, regions, tiles.index) != real(0):
                    sums[a.regions] += count_nonfinite(run)
                    _hide_nonfinite(a, run, tiles.weight, leave_out)
                add_weights(tiles.index, tiles.weight, a.regions, amounts)
            start += number
        if a.weight:
            collect_weights(amounts, a.regions, sums)
        else:
            collect_counts(counts, a.regions, sums)


@scalar
def _loss(a: Any, real: Any) -> None:
    tiles = _tiles_in(stack_memory(3, TILE_BYTES), stack_memory(1, TILE_BYTES), real)
    ring = ring_in(stack_memory(1, RING_BYTES), a.regions, real)
    table = load_table(a.table, a.regions, np.empty(0, real), real)
    mu, regions = real(a.mu), regions_of(a.regions, real)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        plain, size, harmonized = 0.0, 0.0, 0.0
        start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows)
        while start < end:
            run, number = _prepare(a, real, start, end, tiles)
            in_place = a.storage <= FLOAT64 and number == run.size  # no conversion needed
            streamed = in_place and a.rows >= STREAMED and a.gradient % 64 == 0
            gradient = array_at(a.gradient, real, start, number) if in_place else tiles.gradient
            if a.leave_out_nonfinite and count_nonfinite(run):
                _hide_nonfinite(a, run, tiles.weight, True)
            if a.weight:
                sums = harmonize(real, run, mu, tiles.weight, None, regions, table, ring, None, gradient, streamed)
            else:
                sums = harmonize(real, run, mu, None, None, regions, table, ring, None, gradient, streamed)
            plain += sums[0]
            size += sums[1] if sums[1] == sums[1] else finite_size(real, gradient)
            harmonized += sums[2]
            if not in_place:
                store(a.storage, a.gradient, start, number, gradient)
            start += number
        fence()  # for what was streamed
        array_at(a.sums, np.float64, chunk * 4, 4)[:] = (plain, size, 0.0, harmonized)
