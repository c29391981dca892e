"""Pass 2 over a run of tiles, for every kind of example: derivatives and losses, weighed with what the table says."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from torchghm.kernels.cpu.example_terms import judge, terms
from torchghm.kernels.cpu.simd.arithmetic import region
from torchghm.kernels.cpu.simd.delayed_tables import DELAY, RING, look_up_in_memory, paged
from torchghm.kernels.cpu.simd.intrinsics import elementwise, inlined, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, array_at, load_numbers, store_numbers, stream_numbers
from torchghm.kernels.cpu.simd.region_edges import region_below_edge
from torchghm.kernels.cpu.simd.register_tables import ENTRIES, look_up_in_registers
from torchghm.kernels.cpu.simd.vectors import lanes, total, zero

_NEVER = 2**62


class Flips(NamedTuple):
    """Numbers whose sign is to be changed, where they must not be written to."""

    places: Any
    """In ascending order."""
    vector: Any
    """Room for as many numbers as are worked on at once."""


@scalar
def load_table(address: Any, regions: Any, edges: Any, real: Any) -> Any:
    """The table in the dtype of the arithmetic; beside edges, filled up for registers."""
    table = np.zeros(ENTRIES, real) if edges.size else paged(regions, real)
    table[:regions] = array_at(address, np.float64, 0, regions)
    return table


@summing
def harmonize(
    real: Any,
    numbers: Any,
    other: Any,
    weight: Any,
    edges: Any,
    regions: Any,
    table: Any,
    ring: Any,
    flips: Any,
    gradient: Any,
    streamed: Any,
) -> Any:
    """Write the gradient of a run; returns the sums of w L, |gradient| and table w L. Without weights w is 1.

    Numbers at the places of ``flips`` count with the other sign; the gradient is by what they are then.
    """
    vectorize()
    plain, size, harmonized = 0.0, 0.0, 0.0
    turns = numbers.size if edges is not None else numbers.size + 2 * DELAY
    flip, due = _next_flip(real, flips, 0)
    start = 0
    while start < turns:
        sums = zero(real), zero(real), zero(real)
        end = min(start + TILE, turns)
        while start < end:
            stop = min(due, end)
            for j in range(start, stop, lanes(real)):
                sums = _turn(
                    real,
                    numbers,
                    j,
                    j,
                    numbers.size,
                    other,
                    weight,
                    edges,
                    regions,
                    table,
                    ring,
                    gradient,
                    streamed,
                    sums,
                )
            start = stop
            if flips is not None and stop == due:
                flip, due = _flip(real, numbers, stop, flips, flip)
                sums = _turn(
                    real,
                    flips.vector,
                    0,
                    stop,
                    numbers.size,
                    other,
                    weight,
                    edges,
                    regions,
                    table,
                    ring,
                    gradient,
                    streamed,
                    sums,
                )
                start += lanes(real)
        plain += total(sums[0])
        size += total(sums[1])
        harmonized += total(sums[2])
    return plain, size, harmonized


@inlined
def _turn(
    real: Any,
    numbers: Any,
    at: Any,
    j: Any,
    count: Any,
    other: Any,
    weight: Any,
    edges: Any,
    regions: Any,
    table: Any,
    ring: Any,
    gradient: Any,
    streamed: Any,
    sums: Any,
) -> Any:
    """Numbers from ``j`` on, which are read at ``at``.

    Beside edges at once; else in three stages, each `DELAY` numbers behind the one before: what is computed, looked up,
    and written. The last comes first: its places in the rings are where the first writes.
    """
    if edges is not None:
        begun = terms(real, numbers, other, at)
        norm, slope, loss = judge(real, other, begun)
        amount = look_up_in_registers(table, region_below_edge(real, begun[0], norm, edges, regions))
        return _write(gradient, j, amount, slope, loss, weight, streamed, sums)
    here = j & (RING - 1)
    if j >= 2 * DELAY:
        amount, slope = load_numbers(ring.entries, here), load_numbers(ring.slope, here)
        loss = load_numbers(ring.loss, here)
        sums = _write(gradient, j - 2 * DELAY, amount, slope, loss, weight, streamed, sums)
    if DELAY <= j < count + DELAY:
        look_up_in_memory(table, ring.index, ring.entries, (j - DELAY) & (RING - 1))
    if j < count:
        norm, slope, loss = judge(real, other, terms(real, numbers, other, at))
        store_numbers(ring.slope, here, slope)
        store_numbers(ring.loss, here, loss)
        store_numbers(ring.index, here, region(norm, regions.scale, regions.last))
    return sums


@elementwise
def _write(gradient: Any, j: Any, amount: Any, slope: Any, loss: Any, weight: Any, streamed: Any, sums: Any) -> Any:
    """The gradient from number ``j`` on; adds w L, |gradient| and table w L."""
    plain = loss
    if weight is not None:
        own = load_numbers(weight, j)
        amount, plain = amount * own, loss * own
    derivative = amount * slope
    if streamed:
        stream_numbers(gradient, j, derivative)
    else:
        store_numbers(gradient, j, derivative)
    return sums[0] + plain, sums[1] + abs(derivative), sums[2] + amount * loss


@elementwise
def _next_flip(real: Any, flips: Any, flip: Any) -> tuple[Any, Any]:
    """Number ``flip``, and where the vector begins that it is in; `_NEVER` if there is none."""
    if flips is None or flip == flips.places.size:
        return flip, _NEVER
    return flip, flips.places[flip] // lanes(real) * lanes(real)


@elementwise
def _flip(real: Any, numbers: Any, start: Any, flips: Any, flip: Any) -> tuple[Any, Any]:
    """Put the vector that begins at ``start`` where it can be changed, and go on to the next."""
    store_numbers(flips.vector, 0, load_numbers(numbers, start))
    while flip < flips.places.size and flips.places[flip] < start + lanes(real):
        place = flips.places[flip] - start
        flips.vector[place] = -flips.vector[place]
        flip += 1
    return _next_flip(real, flips, flip)


@summing
def finite_size(real: Any, gradient: Any) -> Any:
    """The sum of |gradient| without NaN: a second look, for the rare run that has one."""
    vectorize()
    size = 0.0
    for j in range(gradient.size):
        size += abs(gradient[j]) if gradient[j] == gradient[j] else real(0)
    return size
