"""Rows of few classes in softmax GHM-C, with class indices: as many side by side as fill vectors.

A row of nine logits fills no vector, and what is done once a row takes longer than its exponentials. Here the logits of
a block are turned over, so that those of one class lie together, and every loop is over rows. g and L are those of
`torchghm.kernels.cpu.softmax.one_row`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from torchghm.kernels.cpu.example_tiles import count_nonfinite
from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Option, Real
from torchghm.kernels.cpu.simd.arithmetic import Regions, exp_nonpositive, log1p_nonnegative, region
from torchghm.kernels.cpu.simd.compiling import arrays_by_types, elementwise, scalar, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.loads_and_stores import load, load_numbers, store, store_numbers
from torchghm.kernels.cpu.simd.vectors import lanes, select, zero

ROWS = 32
"""Rows of a block."""
FEW_CLASSES = 32
"""Up to so many classes a block is turned over, and stays in the first cache."""


class Block(NamedTuple):
    """Room for `ROWS` rows; [ROWS] each, but for the logits."""

    logits: Numbers
    """[ROWS * K] as they lie in the tensor; then the gradient."""
    columns: Numbers
    """[K * ROWS] logits, class after class; then exp(x - m), 0 at the label."""
    places: Numbers
    """Where in ``columns`` the label is, int64; class 0 where a row is no example."""
    weights: Numbers
    """Weights of the rows, 0 where a row is no example."""
    largest: Numbers
    """m."""
    below: Numbers
    """m - x at the label."""
    others: Numbers
    """z without the label's part."""
    totals: Numbers
    """z."""
    norms: Numbers
    """g."""
    losses: Numbers
    """L."""
    regions: Numbers
    """int32."""
    factors: Numbers
    """Factors of the exponentials, a number a row."""


@arrays_by_types
def make_block(few_classes: Option, columns: int, real: Real) -> Number:
    """Room for a block; None where there are many classes."""

    def room(few_classes: Option, columns: int, real: Real) -> Block:
        return Block(
            logits=np.empty(ROWS * columns, real),
            columns=np.empty(ROWS * columns, real),
            places=np.empty(ROWS, np.int64),
            weights=np.empty(ROWS, real),
            largest=np.empty(ROWS, real),
            below=np.empty(ROWS, real),
            others=np.empty(ROWS, real),
            totals=np.empty(ROWS, real),
            norms=np.empty(ROWS, real),
            losses=np.empty(ROWS, real),
            regions=np.empty(ROWS, np.int32),
            factors=np.empty(ROWS, real),
        )

    return (lambda few_classes, columns, real: None) if few_classes == types.none else room


@scalar
def read_block(a: Arguments, real: Real, row: int, count: int, block: Block) -> tuple[bool, int]:
    """Read ``count`` rows from ``row`` on and turn them over; a block is filled up with what is no example.

    Returned is whether all their logits are finite, else the block is of no use, and how many targets are invalid.
    """
    load(a.storage, a.logits, row * a.columns, count * a.columns, block.logits)
    for j in range(count * a.columns, ROWS * a.columns):
        block.logits[j] = 0
    if count_nonfinite(block.logits):
        return False, 0
    _turn_over(block.logits, block.columns, a.columns)
    labels, invalid = array_at(a.targets, np.int64, row, count), 0
    for j in range(ROWS):
        label = labels[j] if j < count else a.ignore_index
        ignored, valid = label == a.ignore_index, 0 <= label < a.columns
        invalid += not (ignored or valid)
        example = valid and not ignored
        block.places[j] = (label if example else 0) * ROWS + j
        block.weights[j] = 1 if example else 0
    if a.weight:
        weights = array_at(a.weight, real, row, count)
        for j in range(count):
            block.weights[j] = weights[j] if block.weights[j] else real(0)
    return True, invalid


@scalar
def measure_block(real: Real, block: Block, regions: Regions) -> None:
    """Compute exponentials, g, L and the regions of a block that was read."""
    _largest(real, block.columns, block.largest)
    for j in range(ROWS):
        block.below[j] = block.largest[j] - block.columns[block.places[j]]
    _exponentials(real, block.columns, block.largest)
    for j in range(ROWS):
        block.columns[block.places[j]] = 0
    _measure(real, block, regions)


@scalar
def write_gradient(a: Arguments, real: Real, row: int, count: int, block: Block) -> None:
    """Multiply the exponentials by the rows' factors, and write them as the gradient of ``count`` rows from ``row`` on.

    At the label they get what makes a row's sum 0.
    """
    _scale(real, block.columns, block.factors)
    for j in range(ROWS):
        block.columns[block.places[j]] = 0 - block.factors[j] * block.others[j]
    _turn_back(block.columns, block.logits, a.columns)
    store(a.storage, a.gradient, row * a.columns, count * a.columns, block.logits)


# Without `vectorize`: gathered and scattered vectors were slower than one number after another (AMD EPYC, AVX2).


@elementwise
def _turn_over(logits: Numbers, columns: Numbers, classes: int) -> None:
    for j in range(ROWS):
        for k in range(classes):
            columns[k * ROWS + j] = logits[j * classes + k]


@elementwise
def _turn_back(columns: Numbers, logits: Numbers, classes: int) -> None:
    for j in range(ROWS):
        for k in range(classes):
            logits[j * classes + k] = columns[k * ROWS + j]


@elementwise
def _largest(real: Real, columns: Numbers, largest: Numbers) -> None:
    vectorize()
    for j in range(0, ROWS, lanes(real)):
        most = load_numbers(columns, j)
        for start in range(ROWS, columns.size, ROWS):
            number = load_numbers(columns, start + j)
            most = select(most < number, number, most)
        store_numbers(largest, j, most)


@elementwise
def _exponentials(real: Real, columns: Numbers, largest: Numbers) -> None:
    vectorize()
    for j in range(0, ROWS, lanes(real)):
        most = load_numbers(largest, j)
        for start in range(0, columns.size, ROWS):
            store_numbers(columns, start + j, exp_nonpositive(load_numbers(columns, start + j) - most))


@elementwise
def _measure(real: Real, block: Block, regions: Regions) -> None:
    vectorize()
    for j in range(0, ROWS, lanes(real)):
        others = zero(real)
        for start in range(0, block.columns.size, ROWS):
            others += load_numbers(block.columns, start + j)
        below = load_numbers(block.below, j)
        own = exp_nonpositive(-below)
        norm = others / (others + own)
        store_numbers(block.others, j, others)
        store_numbers(block.totals, j, others + own)
        store_numbers(block.norms, j, norm)
        store_numbers(block.regions, j, region(norm, regions))
        # z - 1 is the sum of the others where the label is the largest: log1p keeps what log would lose.
        store_numbers(block.losses, j, below + log1p_nonnegative(others + (own - real(1))))


@elementwise
def _scale(real: Real, columns: Numbers, factors: Numbers) -> None:
    vectorize()
    for j in range(0, ROWS, lanes(real)):
        factor = load_numbers(factors, j)
        for start in range(0, columns.size, ROWS):
            store_numbers(columns, start + j, load_numbers(columns, start + j) * factor)
