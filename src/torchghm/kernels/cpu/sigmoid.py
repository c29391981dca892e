"""The two passes of sigmoid GHM-C on a CPU: every logit is an example.

Class indices without weights, as detectors have them, are worked on where they lie; a logit that is no example has
s = `HIDDEN`: g, L and the gradient are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu.example_tiles import count_nonfinite, hide_nonfinite, prepare, tiles_in
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
from torchghm.kernels.cpu.loss_pass import Flips, finite_size, harmonize, load_table
from torchghm.kernels.cpu.simd.arithmetic import regions_of
from torchghm.kernels.cpu.simd.delayed_tables import RING_BYTES, ring_in
from torchghm.kernels.cpu.simd.intrinsics import carray, fence, fetch_add, scalar, stack_memory, summing, vectorize
from torchghm.kernels.cpu.simd.loads_and_stores import FLOAT64, STREAMED, TILE, TILE_BYTES, array_at, store
from torchghm.kernels.cpu.simd.region_edges import load_edges


def histogram_float32(pointer: Any) -> None:
    """Pass 1; a chunk's sums are the histogram and the numbers of non-finite logits and of invalid targets.

    Where there is room for one more, it is the number of positives in class indices.
    """
    _histogram(carray(pointer, (1,))[0], np.float32)


def histogram_float64(pointer: Any) -> None:
    """Pass 1 in float64."""
    _histogram(carray(pointer, (1,))[0], np.float64)


def loss_float32(pointer: Any) -> None:
    """Pass 2; a chunk's sums are w L, |gradient|, its part that belongs to positives, and table w L."""
    _loss(carray(pointer, (1,))[0], np.float32)


def loss_float64(pointer: Any) -> None:
    """Pass 2 in float64."""
    _loss(carray(pointer, (1,))[0], np.float64)


@scalar
def _histogram(a: Any, real: Any) -> None:
    tiles = tiles_in(stack_memory(4, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    ring = ring_in(stack_memory(1, RING_BYTES), a.regions, real)
    edges, regions = load_edges(a, real), regions_of(a.regions, real)
    counts = make_counts(stack_memory(1, COUNTS_BYTES), a.regions)
    amounts = weight_tables(a.regions, a.weight != 0)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        nonfinite, invalid, positives = 0, 0, 0
        start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows * a.columns)
        while start < end:
            run, number, hidden, invalid_here, positives_here, flipped = prepare(a, real, start, end, tiles)
            if a.target_storage >= 0:
                if invalid_here:
                    hidden += hide_nonfinite(a, tiles.targets, run, tiles.targets, tiles.weight, False)
                nonfinite += _count(a, real, run, tiles.targets, None, regions, tiles, ring, counts, amounts, sums)
            elif edges.size:
                nonfinite += _count(a, real, run, None, edges, regions, tiles, ring, counts, amounts, sums)
                if not flipped:
                    _count_flipped(real, run, edges, regions, tiles, positives_here, sums)
            else:
                nonfinite += _count(a, real, run, None, None, regions, tiles, ring, counts, amounts, sums)
                if not flipped:
                    _count_flipped(real, run, None, regions, tiles, positives_here, sums)
            if not a.weight:
                sums[0] -= hidden  # they were counted as g = 0
            invalid += invalid_here
            positives += positives_here
            start += number
        sums[a.regions], sums[a.regions + 1] = nonfinite, invalid
        if a.width > a.regions + 2:
            sums[a.regions + 2] = positives
        if a.weight:
            collect_weights(amounts, a.regions, sums)
        else:
            collect_counts(counts, a.regions, sums)


@scalar
def _count(
    a: Any,
    real: Any,
    run: Any,
    other: Any,
    edges: Any,
    regions: Any,
    tiles: Any,
    ring: Any,
    counts: Any,
    amounts: Any,
    sums: Any,
) -> Any:
    """Count a run, or add up its weights; returns how many logits are not finite."""
    leave_out = a.leave_out_nonfinite != 0
    if not a.weight:
        return count(real, run, other, edges, regions, tiles.index, ring, counts, leave_out, sums)
    nonfinite = 0
    if find_regions(real, run, other, None, regions, tiles.index) != real(0):
        nonfinite = count_nonfinite(run)
        hide_nonfinite(a, run, run, tiles.targets, tiles.weight, leave_out)
    add_weights(tiles.index, tiles.weight, a.regions, amounts)
    return nonfinite


@scalar
def _count_flipped(real: Any, run: Any, edges: Any, regions: Any, tiles: Any, positives: Any, sums: Any) -> None:
    """Count positives for what they are, where a run was counted as if there were none."""
    if positives == 0:
        return
    for i in range(positives):
        tiles.own[i] = run[tiles.flipped[i]]
    for times in (-1.0, 1.0):
        find_regions(real, tiles.own, None, edges, regions, tiles.index)
        for i in range(positives):
            sums[tiles.index[i]] += times
            tiles.own[i] = -tiles.own[i]


@scalar
def _loss(a: Any, real: Any) -> None:
    tiles = tiles_in(stack_memory(4, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    ring = ring_in(stack_memory(1, RING_BYTES), a.regions, real)
    tiles.weight[:] = real(1)
    edges = load_edges(a, real)
    table = load_table(a.table, a.regions, edges, real)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = _chunk(a, real, chunk, tiles, ring, table, edges)
        fence()  # for what was streamed
        array_at(a.sums, np.float64, chunk * 4, 4)[:] = sums


@scalar
def _chunk(a: Any, real: Any, chunk: Any, tiles: Any, ring: Any, table: Any, edges: Any) -> Any:
    """Pass 2 over a chunk: w L, |gradient|, its part that belongs to positives, and table w L."""
    regions = regions_of(a.regions, real)
    plain, size, positive, harmonized = 0.0, 0.0, 0.0, 0.0
    start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows * a.columns)
    while start < end:
        run, number, _, _, positives, flipped = prepare(a, real, start, end, tiles)
        in_place = a.storage <= FLOAT64 and number == run.size  # no conversion needed
        streamed = in_place and a.rows * a.columns >= STREAMED and a.gradient % 64 == 0
        gradient = array_at(a.gradient, real, start, number) if in_place else tiles.gradient
        if a.leave_out_nonfinite and count_nonfinite(run):
            hide_nonfinite(a, run, run, tiles.targets, tiles.weight, True)
        flips = Flips(tiles.flipped[: 0 if flipped else positives], tiles.own)
        if a.target_storage >= 0:
            sums = harmonize(
                real, run, tiles.targets, tiles.weight, None, regions, table, ring, None, gradient, streamed
            )
            positive += _positive_part(real, tiles.targets, gradient)
        elif edges.size:
            sums = harmonize(real, run, None, None, edges, regions, table, ring, flips, gradient, streamed)
        elif a.weight:
            sums = harmonize(real, run, None, tiles.weight, None, regions, table, ring, None, gradient, streamed)
        else:
            sums = harmonize(real, run, None, None, None, regions, table, ring, flips, gradient, streamed)
        plain += sums[0]
        size += sums[1] if sums[1] == sums[1] else finite_size(real, gradient)
        harmonized += sums[2]
        for i in range(positives):
            j = tiles.flipped[i]
            positive += gradient[j] if gradient[j] == gradient[j] else real(0)
            gradient[j] = -gradient[j]
        if not in_place:
            store(a.storage, a.gradient, start, number, gradient)
        start += number
    return plain, size, positive, harmonized


@summing
def _positive_part(real: Any, targets: Any, gradient: Any) -> Any:
    vectorize()
    positive = real(0)
    for j in range(TILE):
        part = targets[j] * abs(gradient[j])
        positive += part if part == part else real(0)
    return positive
