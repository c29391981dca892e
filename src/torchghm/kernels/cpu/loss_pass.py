"""Pass 2 where every number is an example, logits and residuals alike: losses and derivatives, weighed by the table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from torchghm.kernels.cpu.example_terms import norm_slope_and_loss, shared_terms
from torchghm.kernels.cpu.example_tiles import Run, Tiles, count_nonfinite, hide_nonfinite, prepare, target_of, tiles_in
from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.simd import delayed_tables, loads_and_stores
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Option, Real
from torchghm.kernels.cpu.simd.arithmetic import Regions, has_no_edges, region, regions_of
from torchghm.kernels.cpu.simd.compiling import (
    arrays_by_types,
    by_types,
    elementwise,
    inlined_by_types,
    part_of_caller,
    summing,
    vectorize,
)
from torchghm.kernels.cpu.simd.delayed_tables import DELAY, DELAY_LINE, DELAY_LINE_BYTES
from torchghm.kernels.cpu.simd.intrinsics import array_at, as_int64, fence, fetch_add, stack_memory
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, TILE_BYTES, convert, load_numbers, store_numbers
from torchghm.kernels.cpu.simd.region_edges import EDGES_BYTES, load_edges, region_below_edge
from torchghm.kernels.cpu.simd.register_tables import ENTRIES, look_up_in_registers
from torchghm.kernels.cpu.simd.vectors import lanes, total, zero

_NEVER = 2**62
Sums = tuple[Number, Number, Number, Number]
"""Sums of w L, |gradient|, table w L, and of soft targets t |gradient|."""


class Lookup(NamedTuple):
    """How an example is weighed: its region, and what the table says there."""

    regions: Regions
    table: Numbers


class Output(NamedTuple):
    """Where a run's results go."""

    line: Number
    """`DelayLine`: on the way, where regions are looked up in memory; else None."""
    gradient: Numbers
    streamed: bool
    """Whether the gradient is written past the caches."""


class Flips(NamedTuple):
    """Numbers whose sign is to be changed, where they must not be written to."""

    places: Numbers
    """In ascending order."""
    vector: Numbers
    """Room for as many numbers as are worked on at once."""


@part_of_caller
def weigh_examples(a: Arguments, real: Real, kind: Number, weighted: Option, by_edges: Option) -> None:
    """Pass 2; a chunk's sums are w L, |gradient|, its part that belongs to positives, and table w L."""
    tiles = tiles_in(stack_memory(4, TILE_BYTES), stack_memory(2, TILE_BYTES), real)
    line = delayed_tables.delay_line_in(stack_memory(1, DELAY_LINE_BYTES), a.regions, real, by_edges)
    edges = load_edges(stack_memory(1, EDGES_BYTES), a.regions, by_edges, real)
    table = load_table(stack_memory(1, EDGES_BYTES), a.table, a.regions, by_edges, real)
    lookup = Lookup(regions_of(a.regions, edges, real), table)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        plain, size, positive, harmonized = 0.0, 0.0, 0.0, 0.0
        start, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows * a.columns)
        while start < end:
            numbers, targets, count, _, _, positives, flipped = prepare(a, real, kind, weighted, start, end, tiles)
            in_place = a.storage <= loads_and_stores.FLOAT64 and count == numbers.size  # no conversion needed
            streamed = in_place and a.rows * a.columns >= loads_and_stores.STREAMED and a.gradient % 64 == 0
            gradient = array_at(a.gradient, real, start, count) if in_place else tiles.gradient
            if a.leave_out_nonfinite and count_nonfinite(numbers):
                hide_nonfinite(a, kind, numbers, numbers, tiles, True)
            run = Run(numbers, target_of(kind, targets), _weight_of(weighted, tiles.weight))
            flips = _flips_of(kind, tiles, 0 if flipped else positives)
            of_run = harmonize(real, run, lookup, flips, Output(line, gradient, streamed))
            plain += of_run[0]
            size += of_run[1] if of_run[1] == of_run[1] else _finite_size(real, gradient)
            harmonized += of_run[2]
            positive += of_run[3] if of_run[3] == of_run[3] else _finite_positive(real, run.target, gradient)
            for i in range(positives):
                j = tiles.flipped[i]
                positive += gradient[j] if gradient[j] == gradient[j] else real(0)
                gradient[j] = -gradient[j]
            if not in_place:
                loads_and_stores.store(a.storage, a.gradient, start, count, gradient)
            start += count
        fence()  # for what was streamed
        sums = array_at(a.sums, np.float64, chunk * 4, 4)
        sums[0], sums[1], sums[2], sums[3] = plain, size, positive, harmonized


@arrays_by_types
def load_table(memory: int, address: int, regions: int, by_edges: Option, real: Real) -> Numbers:
    """The table in the dtype of the arithmetic; for registers, in ``memory`` for `EDGES_BYTES`."""

    def in_memory(memory: int, address: int, regions: int, by_edges: Option, real: Real) -> Numbers:
        table = delayed_tables.paged(regions, real)
        convert(array_at(address, np.float64, 0, regions), table)
        return table

    def for_registers(memory: int, address: int, regions: int, by_edges: Option, real: Real) -> Numbers:
        # What lies behind the last region is loaded, but never looked up.
        convert(array_at(address, np.float64, 0, regions), array_at(memory, real, 0, regions))
        return array_at(memory, real, 0, ENTRIES)

    return in_memory if by_edges == types.none else for_registers


@by_types
def _weight_of(weighted: Option, weight: Numbers) -> Numbers:
    return (lambda weighted, weight: None) if weighted == types.none else (lambda weighted, weight: weight)


@by_types
def _flips_of(kind: Number, tiles: Tiles, count: int) -> Number:
    if kind == types.none:
        return lambda kind, tiles, count: Flips(tiles.flipped[:count], tiles.own)
    return lambda kind, tiles, count: None


@summing
def harmonize(real: Real, run: Run, lookup: Lookup, flips: Flips | None, out: Output) -> Sums:
    """Write the gradient of a run; returns the sums.

    Numbers at the places of ``flips`` count with the other sign; the gradient is by what they are then.
    """
    vectorize()
    plain, size, harmonized, positive = 0.0, 0.0, 0.0, 0.0
    turns = run.numbers.size if out.line is None else run.numbers.size + 2 * DELAY
    flip, due = _next_flip(real, flips, as_int64(0))
    start = 0
    while start < turns:
        sums = zero(real), zero(real), zero(real), zero(real)
        end = min(start + TILE, turns)
        while start < end:
            stop = min(due, end)
            for j in range(start, stop, lanes(real)):
                sums = _harmonize_vector(real, (run.numbers, j, j), run, lookup, out, sums)
            start = stop
            if flips is not None and stop == due:
                flip, due = _flip(real, run.numbers, stop, flips, flip)
                sums = _harmonize_vector(real, (flips.vector, as_int64(0), stop), run, lookup, out, sums)
                start += lanes(real)
        plain += total(sums[0])
        size += total(sums[1])
        harmonized += total(sums[2])
        positive += total(sums[3])
    return plain, size, harmonized, positive


@inlined_by_types
def _harmonize_vector(
    real: Real, place: tuple[Numbers, int, int], run: Run, lookup: Number, out: Output, sums: Sums
) -> Number:
    """Read numbers from an array at a place, as those of the run from ``j`` on; returns the sums with theirs.

    Beside edges at once; else in three stages, each `DELAY` numbers behind the one before: what is computed, looked up,
    and written. The last comes first: its places in the delay line are where the first writes.
    """

    def at_once(real: Real, place: tuple[Numbers, int, int], run: Run, lookup: Lookup, out: Output, sums: Sums) -> Sums:
        numbers, at, j = place
        begun = shared_terms(real, numbers, run.target, at)
        norm, slope, loss = norm_slope_and_loss(real, run.target, begun)
        amount = look_up_in_registers(lookup.table, region_below_edge(real, begun[0], norm, lookup.regions))
        return _write(out, j, run, run.weight, (amount, slope, loss), sums)

    def in_stages(
        real: Real, place: tuple[Numbers, int, int], run: Run, lookup: Lookup, out: Output, sums: Sums
    ) -> Sums:
        numbers, at, j = place
        line, count, here = out.line, run.numbers.size, j & (DELAY_LINE - 1)
        if j >= 2 * DELAY:
            amount, slope = load_numbers(line.entries, here), load_numbers(line.slope, here)
            loss = load_numbers(line.loss, here)
            sums = _write(out, j - 2 * DELAY, run, run.weight, (amount, slope, loss), sums)
        if DELAY <= j < count + DELAY:
            delayed_tables.look_up_in_memory(lookup.table, line.index, line.entries, (j - DELAY) & (DELAY_LINE - 1))
        if j < count:
            terms = shared_terms(real, numbers, run.target, at)
            norm, slope, loss = norm_slope_and_loss(real, run.target, terms)
            store_numbers(line.slope, here, slope)
            store_numbers(line.loss, here, loss)
            store_numbers(line.index, here, region(norm, lookup.regions))
        return sums

    return in_stages if has_no_edges(lookup.types[0]) else at_once


@elementwise
def _write(out: Output, j: int, run: Run, weight: Numbers, terms: tuple[Number, Number, Number], sums: Sums) -> Sums:
    """The gradient from number ``j`` on, of the table's entry, the derivative and L; returns the sums with theirs."""
    amount, slope, loss = terms
    plain = loss
    if weight is not None:  # an argument by itself: Numba leaves a branch out by an argument's type alone
        own = load_numbers(weight, j)
        amount, plain = amount * own, loss * own
    derivative = amount * slope
    if out.streamed:
        loads_and_stores.stream_numbers(out.gradient, j, derivative)
    else:
        store_numbers(out.gradient, j, derivative)
    size = abs(derivative)
    return sums[0] + plain, sums[1] + size, sums[2] + amount * loss, _add_positive(sums[3], run.target, j, size)


@by_types
def _add_positive(positive: Number, target: Number, j: int, size: Number) -> Number:
    if isinstance(target, types.Array):
        return lambda positive, target, j, size: positive + load_numbers(target, j) * size
    return lambda positive, target, j, size: positive


@elementwise
def _next_flip(real: Real, flips: Flips | None, flip: int) -> tuple[int, int]:
    """Number ``flip``, and where the vector begins that it is in; `_NEVER` if there is none."""
    if flips is None or flip == flips.places.size:
        return flip, _NEVER
    return flip, flips.places[flip] // lanes(real) * lanes(real)


@elementwise
def _flip(real: Real, numbers: Numbers, start: int, flips: Flips, flip: int) -> tuple[int, int]:
    """Put the vector that begins at ``start`` where it can be changed, and go on to the next."""
    store_numbers(flips.vector, 0, load_numbers(numbers, start))
    while flip < flips.places.size and flips.places[flip] < start + lanes(real):
        place = flips.places[flip] - start
        flips.vector[place] = -flips.vector[place]
        flip += 1
    return _next_flip(real, flips, flip)


@summing
def _finite_size(real: Real, gradient: Numbers) -> float:
    """The sum of |gradient| without NaN: a second look, for the rare run that has one."""
    vectorize()
    size = 0.0
    for j in range(gradient.size):
        size += abs(gradient[j]) if gradient[j] == gradient[j] else real(0)
    return size


@by_types
def _finite_positive(real: Real, target: Number, gradient: Numbers) -> Number:
    """The sum of t |gradient| without NaN, of soft targets: a second look, too."""
    if isinstance(target, types.Array):
        return lambda real, target, gradient: _finite_part(real, target, gradient)
    return lambda real, target, gradient: 0.0


@summing
def _finite_part(real: Real, targets: Numbers, gradient: Numbers) -> Number:
    vectorize()
    positive = 0.0
    for j in range(gradient.size):
        part = targets[j] * abs(gradient[j])
        positive += part if part == part else real(0)
    return positive
