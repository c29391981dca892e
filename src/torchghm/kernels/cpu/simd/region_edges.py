"""Regions of g = sigmoid(s) by where their edges lie on the axis of s, which takes no exponential and no division.

g >= k/M where s >= log(k / (M - k)). In pass 1 a polynomial says which edge is nearest to s, in pass 2 g does, which is
known there; and one comparison says on which side of it s lies. The comparison decides: so both passes find the same
region, although the polynomial is off by up to a quarter of one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Option, Real
from torchghm.kernels.cpu.simd.arithmetic import Regions, region_scale
from torchghm.kernels.cpu.simd.compiling import arrays_by_types, elementwise, scalar
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.register_tables import ENTRIES, TWO_REGISTERS, look_up_in_registers
from torchghm.kernels.cpu.simd.vectors import as_index, as_int32, select

# s (a + b s^2 + c s^4) is sigmoid(s) - 1/2 within 0.0071 for |s| <= 4.3, and beyond within as much of its value there.
_BOUND = 4.3
_A, _B, _C = 0.23630479, -0.01208227, 0.00029804


EDGES_BYTES = 4 * ENTRIES
"""Memory for the edges, and for the table beside them."""
MOST_EDGES = ENTRIES - 1 if TWO_REGISTERS else 0
"""So many regions, at most, are found by edges: to look them up in four registers takes longer than to find g."""


@arrays_by_types
def load_edges(memory: int, number: int, wanted: Option, real: Real) -> Numbers:
    """s of the lower edge of every region, -inf of the first, NaN above the last; None where they are not wanted.

    Comparing with NaN steps below: so +inf and NaN, whose nearest edge is above the last, fall in the last region.
    """
    if wanted == types.none:
        return lambda memory, number, wanted, real: None
    return lambda memory, number, wanted, real: _load_edges(array_at(memory, real, 0, ENTRIES), number)


@scalar
def _load_edges(edges: Numbers, number: int) -> Numbers:
    edges[0] = -np.inf
    for k in range(1, ENTRIES):
        edges[k] = math.log(k / (region_scale(np.float32, number) - k)) if k < number else np.nan
    return edges


@elementwise
def region_by_edges(real: Real, s: Number, regions: Regions) -> Number:
    """The region of g = sigmoid(s)."""
    number = regions.number
    a, b, c = real(number * _A), real(number * _B), real(number * _C)
    inner = select(s < real(_BOUND), s, real(_BOUND))
    inner = select(inner > real(-_BOUND), inner, real(-_BOUND))
    square = inner * inner
    nearest = as_int32(((c * square + b) * square + a) * inner + real(0.5 * number + 0.5))
    return _step_below(s, regions.edges, nearest)


@elementwise
def region_below_edge(real: Real, s: Number, norm: Number, regions: Regions) -> Number:
    """The region of g = sigmoid(s) where g is known."""
    position = norm * regions.scale + real(0.5)
    above_last = real(regions.number)
    return _step_below(s, regions.edges, as_index(select(position < above_last, position, above_last)))


@elementwise
def _step_below(s: Number, edges: Numbers, nearest: Number) -> Number:
    """The region that begins at the nearest edge, or the one before if s does not reach it."""
    return select(s >= look_up_in_registers(edges, nearest), nearest, nearest - np.int32(1))
