"""Regions of g = sigmoid(s) by where their edges lie on the axis of s, which takes no exponential and no division.

g >= k/M where s >= log(k / (M - k)). In pass 1 a polynomial says which edge is nearest to s, in pass 2 g does, which is
known there; and one comparison says on which side of it s lies. The comparison decides: so both passes find the same
region, although the polynomial is off by up to a quarter of one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchghm.kernels.cpu_arithmetic import region_scale
from torchghm.kernels.cpu_intrinsics import elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu_registers import ENTRIES, LANES, look_up_below_edges, step_below_edges
from torchghm.kernels.cpu_storage import TILE

# s (a + b s^2 + c s^4) is sigmoid(s) - 1/2 within 0.0071 for |s| <= 4.3, and beyond within as much of its value there.
_BOUND = 4.3
_A, _B, _C = 0.23630479, -0.01208227, 0.00029804


@scalar
def load_edges(a: Any, real: Any) -> Any:
    """s of the lower edge of every region, -inf of the first, NaN above the last; no edges where they are not used.

    Comparing with NaN steps below: so +inf and NaN, whose nearest edge is above the last, fall in the last region.
    """
    usable = LANES > 0 and np.empty(1, real).itemsize == 4 and a.target_storage < 0 and a.regions < ENTRIES
    edges = np.full(ENTRIES if usable else 0, np.nan, real)
    for k in range(a.regions if usable else 0):
        edges[k] = math.log(k / (region_scale(np.float32, a.regions) - k)) if k else -np.inf
    return edges


@scalar
def regions_by_edges(real: Any, logits: Any, edges: Any, regions: Any, index: Any) -> Any:
    """The region of every logit of a tile; returns 0 if all are finite."""
    trace = _nearest_edges(real, logits, regions, index)
    _step_below(logits, edges, index)
    return trace


@summing
def _nearest_edges(real: Any, logits: Any, regions: Any, index: Any) -> Any:
    vectorize()
    a, b, c = real(regions * _A), real(regions * _B), real(regions * _C)
    middle = real(0.5 * regions + 0.5)
    trace = real(0)
    for j in range(TILE):
        s = logits[j]
        inner = s if s < real(_BOUND) else real(_BOUND)
        inner = inner if inner > real(-_BOUND) else real(-_BOUND)
        square = inner * inner
        index[j] = np.int32(((c * square + b) * square + a) * inner + middle)
        trace += s * real(0)  # NaN as soon as one logit is not finite
    return trace


@elementwise
def _step_below(logits: Any, edges: Any, index: Any) -> None:
    vectorize()
    for j in range(0, TILE, LANES):
        step_below_edges(logits, edges, index, j)


@elementwise
def look_up_by_edges(logits: Any, edges: Any, table: Any, index: Any, entries: Any) -> None:
    """What the table says in the region of every logit of a tile, from the edge nearest to it."""
    vectorize()
    for j in range(0, TILE, LANES):
        look_up_below_edges(logits, edges, table, index, entries, j)
