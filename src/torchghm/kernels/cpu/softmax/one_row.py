"""A row of logits in softmax GHM-C: its target, g, L, and the gradient.

With m the largest logit of the row and z the sum of exp(x - m), g = 1 - p_y is the sum over the other classes, divided
by z: without cancellation where p_y is near 1. L = m - x_y + log z.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from torchghm.kernels.cpu.example_tiles import count_outside
from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Real
from torchghm.kernels.cpu.simd.arithmetic import exp_nonpositive
from torchghm.kernels.cpu.simd.compiling import by_types, elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, load
from torchghm.kernels.cpu.simd.vectors import bits, from_bits

NO_EXAMPLE, SOFT = -1, -2
"""In the place of a class."""


@scalar
def read_target(a: Arguments, row: Number, targets: Numbers) -> tuple[int, int]:
    """The row's class, SOFT where ``targets`` has been filled, or NO_EXAMPLE; and its number of invalid targets."""
    if a.target_storage >= 0:
        load(a.target_storage, a.targets, row * a.columns, a.columns, targets)
        return SOFT, count_outside(targets)
    label = array_at(a.targets, np.int64, row, 1)[0]
    if label == a.ignore_index:
        return NO_EXAMPLE, 0
    if label < 0 or label >= a.columns:
        return NO_EXAMPLE, 1
    return label, 0


@scalar
def norm_loss_and_total(real: Real, label: Number, targets: Numbers, numbers: Numbers) -> tuple[Number, Number, Number]:
    """g, L and z of a row, in float64; its numbers become exp(x - m), and 0 at the label."""
    largest = maximum(numbers)
    if label == SOFT:
        weighed = _soft_logits(real, numbers, targets, largest)
        _exponentials(numbers, largest)
        total = _total(real, numbers)
        return _distance(real, numbers, targets, real(total)), _total(real, targets) * math.log(total) - weighed, total
    below = largest - numbers[label]
    _exponentials(numbers, largest)
    own = np.float64(numbers[label])
    numbers[label] = 0
    others = _total(real, numbers)
    # z - 1 is the sum of the others where the label is the largest: log1p keeps what log would lose.
    return others / (others + own), below + math.log1p(others + (own - 1.0)), others + own


@by_types
def maximum(numbers: Numbers) -> Number:
    """The largest of the numbers; with a NaN among them any of them or NaN."""

    def ordered_bits(numbers: Numbers) -> Number:
        # As integers, float32 are ordered once the magnitude of negatives is reversed, and LLVM vectorises a maximum
        # of integers without being told that NaN can't occur.
        largest = np.int32(-0x80000000)
        for j in range(numbers.size):
            number = bits(numbers[j])
            key = np.int32(number ^ np.int32((number >> 31) & 0x7FFFFFFF))
            largest = key if key > largest else largest
        return from_bits(np.int32(largest ^ np.int32((largest >> 31) & 0x7FFFFFFF)))

    def compared(numbers: Numbers) -> Number:
        largest = numbers[0]
        for j in range(numbers.size):
            largest = numbers[j] if numbers[j] > largest else largest
        return largest

    return compared if numbers.dtype == types.float64 else ordered_bits


@elementwise
def _exponentials(numbers: Numbers, largest: Number) -> None:
    vectorize()
    for j in range(numbers.size):
        numbers[j] = exp_nonpositive(numbers[j] - largest)


@scalar
def _total(real: Real, numbers: Numbers) -> Number:
    total = 0.0
    for start in range(0, numbers.size, TILE):
        total += _sum(real, numbers[start : start + TILE])
    return total


@summing
def _sum(real: Real, numbers: Numbers) -> Number:
    vectorize()
    total = real(0)
    for j in range(numbers.size):
        total += numbers[j]
    return total


@elementwise
def scale(numbers: Numbers, factor: Number) -> None:
    """Multiply a row by a number."""
    vectorize()
    for j in range(numbers.size):
        numbers[j] = numbers[j] * factor


@summing
def _soft_logits(real: Real, numbers: Numbers, targets: Numbers, largest: Number) -> Number:
    vectorize()
    total = real(0)
    for j in range(numbers.size):
        total += targets[j] * (numbers[j] - largest)
    return np.float64(total)


@summing
def _distance(real: Real, numbers: Numbers, targets: Numbers, total: Number) -> Number:
    vectorize()
    distance = real(0)
    for j in range(numbers.size):
        distance += abs(numbers[j] / total - targets[j])
    return np.float64(distance) / 2


@elementwise
def soft_gradient(numbers: Numbers, targets: Numbers, factor: Number, weight: Number) -> None:
    """Turn a row's exponentials into its gradient, of soft targets."""
    vectorize()
    for j in range(numbers.size):
        numbers[j] = numbers[j] * factor - targets[j] * weight
