"""Tiles of examples: logits with the sign of their target, or residuals; their targets and weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Option, Real
from torchghm.kernels.cpu.simd.compiling import arrays_by_types, by_types, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.loads_and_stores import FLOAT32, FLOAT64, TILE, convert, load
from torchghm.kernels.cpu.simd.vectors import width

HIDDEN = -1e4
"""The logit of what is no example: with target 0 its g, L and gradient are 0. So they are of a residual of 0."""

SPARSE = 64
"""Number of logits of which at most one may be at the labelled class for them to be read where they lie."""


class Tiles(NamedTuple):
    """Room for a tile of examples; [TILE] each, of the dtype of the arithmetic or int32."""

    own: Numbers
    """Logits, where they can't be read as they lie."""
    targets: Numbers
    weight: Numbers
    flipped: Numbers
    """Places of logits at the labelled class: their sign is to be changed."""
    index: Numbers
    """Regions."""
    gradient: Numbers
    """Where it can't be written to its place at once."""


class Run(NamedTuple):
    """Examples that are worked on together: whole tiles."""

    numbers: Numbers
    target: Number
    """The kind of example, as `shared_terms` is told it."""
    weight: Numbers
    """None for 1, and where regions are counted."""


@arrays_by_types
def part_of(run: Number, first: Number, count: Number) -> Number:
    """Examples of a run from number ``first`` on, without their weights."""
    if isinstance(run.types[1], types.Array):
        return lambda run, first, count: Run(
            run.numbers[first : first + count], run.target[first : first + count], None
        )
    return lambda run, first, count: Run(run.numbers[first : first + count], run.target, None)


@scalar
def tiles_in(reals: int, integers: int, real: Real) -> Tiles:
    """Tiles in memory for four of reals and two of integers.

    Each begins a cache line, and no two lie at the same distance from a page's start. Otherwise vectors straddle lines,
    and a load waits for a store 4 KiB away, which the processor takes for the same.
    """
    apart = TILE + 64 // width(real)
    return Tiles(
        own=array_at(reals, real, 0, TILE),
        targets=array_at(reals, real, apart, TILE),
        weight=array_at(reals, real, 2 * apart, TILE),
        flipped=array_at(integers, np.int32, 0, TILE),
        index=array_at(integers, np.int32, TILE + 64 // 4, TILE),
        gradient=array_at(reals, real, 3 * apart, TILE),
    )


@by_types
def target_of(kind: Number, soft: Numbers) -> Number:
    """Target as `shared_terms` is told it, of a tile with soft ones: None for class indices, the soft ones, or mu."""
    if kind == types.none:
        return lambda kind, soft: None
    return (lambda kind, soft: kind) if isinstance(kind, types.Float) else (lambda kind, soft: soft)


Prepared = tuple[Numbers, Numbers, int, int, int, int, bool]
"""The numbers: ``own``, or several tiles of the tensor itself where no more than a few signs in them have to be
changed, so that they must not be written to; soft targets, of the tensor itself then, too; how many examples they are;
how many logits are hidden, with what fills the tile up; how many targets are invalid (a row counts in the tile that its
first logit is in); how many logits are at the labelled class: ``flipped`` holds their places; and whether their sign
was changed in ``own``."""


@arrays_by_types
def prepare(a: Arguments, real: Real, kind: Number, weighted: Option, start: int, end: int, tiles: Tiles) -> Number:
    """Logits or residuals from ``start`` on, before ``end``, and what ``tiles`` hold of them.

    ``kind`` is None for class indices, True for soft targets, and mu for residuals. Returned is what `Prepared` says.
    """

    def of_class_index(
        a: Arguments, real: Real, kind: Number, weighted: Option, start: int, end: int, tiles: Tiles
    ) -> Prepared:
        if weighted is None:
            whole, positives = _tiles_as_they_lie(a, real, start, end, tiles.flipped)
            if whole > 0:
                return (
                    array_at(a.logits, real, start, whole * TILE),
                    tiles.targets,
                    whole * TILE,
                    0,
                    0,
                    positives,
                    False,
                )
        count = _read(a, real, kind, weighted, start, end, tiles)
        hidden, invalid, positives = _flip_and_hide(a, real, start, count, tiles.own, tiles.weight, tiles.flipped)
        return tiles.own, tiles.targets, count, TILE - count + hidden, invalid, positives, True

    def of_soft_target(
        a: Arguments, real: Real, kind: Number, weighted: Option, start: int, end: int, tiles: Tiles
    ) -> Prepared:
        whole = (end - start) // TILE
        if weighted is None and whole > 0 and _is_arithmetic(a, real) and a.target_storage == a.storage:
            targets = array_at(a.targets, real, start, whole * TILE)
            if not a.leave_out_nonfinite and not count_outside(targets):
                return array_at(a.logits, real, start, whole * TILE), targets, whole * TILE, 0, 0, 0, False
        count = _read(a, real, kind, weighted, start, end, tiles)
        load(a.target_storage, a.targets, start, count, tiles.targets)
        tiles.targets[count:] = real(0)
        return tiles.own, tiles.targets, count, TILE - count, count_outside(tiles.targets), 0, True

    def of_residual(
        a: Arguments, real: Real, kind: Number, weighted: Option, start: int, end: int, tiles: Tiles
    ) -> Prepared:
        whole = (end - start) // TILE
        if weighted is None and whole > 0 and _is_arithmetic(a, real) and not a.leave_out_nonfinite:
            return array_at(a.logits, real, start, whole * TILE), tiles.targets, whole * TILE, 0, 0, 0, False
        count = _read(a, real, kind, weighted, start, end, tiles)
        return tiles.own, tiles.targets, count, TILE - count, 0, 0, True

    if kind == types.none:
        return of_class_index
    return of_residual if isinstance(kind, types.Float) else of_soft_target


@scalar
def _read(a: Arguments, real: Real, kind: Number, weighted: Option, start: int, end: int, tiles: Tiles) -> int:
    """Read a tile and its weights, filled up with what is no example; returns how many examples it holds."""
    count = min(TILE, end - start)
    load(a.storage, a.logits, start, count, tiles.own)
    tiles.own[count:] = real(_hidden(kind))
    if weighted is not None:
        _load_weight(a, real, start, count, tiles.weight)
    return count


@scalar
def _is_arithmetic(a: Arguments, real: Real) -> bool:
    """Whether the tensor has the dtype of the arithmetic."""
    return a.storage == (FLOAT32 if width(real) == 4 else FLOAT64)


@scalar
def _tiles_as_they_lie(a: Arguments, real: Real, start: int, end: int, flipped: Numbers) -> tuple[int, int]:
    """How many whole tiles need no conversion, and no change but of a few signs; and how many signs."""
    if not _is_arithmetic(a, real) or a.leave_out_nonfinite or a.ignore_index == -1:
        return 0, 0
    begin, positives = start // a.columns * a.columns - start, 0
    for label in _labels(a, start, end - start):
        if label != -1:
            place = begin + label
            valid = 0 <= label < a.columns and label != a.ignore_index
            if not valid or positives == TILE or (place >= 0 and positives * SPARSE > place):
                break
            if 0 <= place < end - start:  # else another chunk's
                flipped[positives] = place
                positives += 1
        begin += a.columns
    whole = min(begin, end - start) // TILE
    while positives and flipped[positives - 1] >= whole * TILE:
        positives -= 1
    return whole, positives


@scalar
def _labels(a: Arguments, start: int, count: int) -> Numbers:
    """Class indices of the rows that these examples are in."""
    first = start // a.columns
    return array_at(a.targets, np.int64, first, (start + count - 1) // a.columns - first + 1)


@scalar
def _load_weight(a: Arguments, real: Real, start: int, count: int, weight: Numbers) -> None:
    weight[count:] = real(0)
    if not a.row_weight:
        convert(array_at(a.weight, real, start, count), weight[:count])
        return
    first = start // a.columns
    rows = (start + count - 1) // a.columns - first + 1
    row_weight = array_at(a.weight, real, first, rows)
    for row in range(rows):
        begin = (first + row) * a.columns - start
        weight[max(begin, 0) : min(begin + a.columns, count)] = row_weight[row]


@scalar
def _flip_and_hide(
    a: Arguments, real: Real, start: int, count: int, logits: Numbers, weight: Numbers, flipped: Numbers
) -> tuple[int, int, int]:
    """Class indices: change the sign at the labelled class, hide rows that are ignored or out of range."""
    hidden, invalid, positives = 0, 0, 0
    first = start // a.columns
    for row, label in enumerate(_labels(a, start, count)):
        if label == -1 and a.ignore_index != -1:
            continue
        begin = (first + row) * a.columns - start
        if 0 <= label < a.columns and label != a.ignore_index:
            place = begin + label
            if 0 <= place < count:
                logits[place] = -logits[place]
                flipped[positives] = place
                positives += 1
            continue
        if label != a.ignore_index and begin >= 0:
            invalid += 1
        for place in range(max(begin, 0), min(begin + a.columns, count)):
            logits[place] = real(HIDDEN)
            if a.weight:
                weight[place] = real(0)
            hidden += 1
    return hidden, invalid, positives


@summing
def count_outside(targets: Numbers) -> Number:
    """How many soft targets are not in [0, 1]."""
    vectorize()
    count = np.int32(0)
    for j in range(targets.size):
        count = np.int32(count + (np.int32(0) if (targets[j] >= 0) & (targets[j] <= 1) else np.int32(1)))
    return count


@summing
def count_nonfinite(numbers: Numbers) -> Number:
    """How many numbers are NaN or infinite."""
    vectorize()
    count = np.int32(0)
    for j in range(numbers.size):
        count = np.int32(count + (np.int32(0) if abs(numbers[j]) < np.inf else np.int32(1)))
    return count


@scalar
def hide_nonfinite(a: Arguments, kind: Number, numbers: Numbers, own: Numbers, tiles: Tiles, infinite: bool) -> int:
    """Hide the examples where ``numbers`` are NaN, or infinite where that is asked for; returns how many."""
    hidden = 0
    for j in range(TILE):
        if np.isnan(numbers[j]) or (infinite and np.isinf(numbers[j])):
            own[j], tiles.targets[j] = _hidden(kind), 0
            if a.weight:
                tiles.weight[j] = 0
            hidden += 1
    return hidden


@by_types
def _hidden(kind: Number) -> Number:
    """The number that is no example."""
    return (lambda kind: 0.0) if isinstance(kind, types.Float) else (lambda kind: HIDDEN)
