"""The two passes of softmax GHM-C on a CPU: every row is an example.

With m the largest logit of the row and z the sum of exp(x - m), g = 1 - p_y is the sum over the other classes, divided
by z: without cancellation where p_y is near 1. L = m - x_y + log z.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from torchghm.kernels.cpu.example_tiles import count_nonfinite, count_outside
from torchghm.kernels.cpu.launch import Arguments
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Real
from torchghm.kernels.cpu.simd.arithmetic import exp_nonpositive, region, regions_of
from torchghm.kernels.cpu.simd.compiling import by_types, elementwise, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.intrinsics import fetch_add
from torchghm.kernels.cpu.simd.loads_and_stores import TILE, array_at, load, store
from torchghm.kernels.cpu.simd.vectors import bits, from_bits


@scalar
def count_rows(a: Arguments, real: Real) -> None:
    """Pass 1; a chunk's sums are the histogram and the numbers of non-finite rows and of invalid targets."""
    numbers, targets = np.empty(a.columns, real), np.empty(a.columns, real)
    regions = regions_of(a.regions, None, real)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        for row in range(chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows)):
            label, invalid = _read_target(a, row, targets)
            sums[a.regions + 1] += invalid
            if label == _NO_EXAMPLE:
                continue
            load(a.storage, a.logits, row * a.columns, a.columns, numbers)
            if count_nonfinite(numbers):
                sums[a.regions] += 1
                if a.leave_out_nonfinite:
                    continue
            norm, _, _ = _row(real, label, targets, numbers)
            if norm == norm:
                sums[region(real(norm), regions)] += array_at(a.weight, real, row, 1)[0] if a.weight else 1.0


@scalar
def weigh_rows(a: Arguments, real: Real) -> None:
    """Pass 2; a chunk's sums are w L, table w g, 0, and table w L."""
    numbers, targets = np.empty(a.columns, real), np.empty(a.columns, real)
    table = array_at(a.table, np.float64, 0, a.regions)
    regions = regions_of(a.regions, None, real)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * 4, 4)
        sums[:] = 0.0
        for row in range(chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows)):
            label, _ = _read_target(a, row, targets)
            if label != _NO_EXAMPLE:
                load(a.storage, a.logits, row * a.columns, a.columns, numbers)
                if a.leave_out_nonfinite and count_nonfinite(numbers):
                    label = _NO_EXAMPLE
            if label == _NO_EXAMPLE:
                numbers[:] = 0
                store(a.storage, a.gradient, row * a.columns, a.columns, numbers)
                continue
            norm, loss, total = _row(real, label, targets, numbers)
            amount = array_at(a.weight, real, row, 1)[0] if a.weight else 1.0
            weight = table[region(real(norm), regions)] * amount
            if label == _SOFT:
                _soft_gradient(numbers, targets, real(weight * targets.sum() / total), real(weight))
            else:
                _scale(numbers, real(weight / total))
                numbers[label] = -weight * norm
            store(a.storage, a.gradient, row * a.columns, a.columns, numbers)
            sums[0] += amount * loss
            sums[1] += weight * norm if norm == norm else 0.0
            sums[3] += weight * loss


_NO_EXAMPLE, _SOFT = -1, -2


@scalar
def _read_target(a: Arguments, row: Number, targets: Numbers) -> tuple[int, int]:
    """The row's class, _SOFT where ``targets`` has been filled, or _NO_EXAMPLE; and its number of invalid targets."""
    if a.target_storage >= 0:
        load(a.target_storage, a.targets, row * a.columns, a.columns, targets)
        return _SOFT, count_outside(targets)
    label = array_at(a.targets, np.int64, row, 1)[0]
    if label == a.ignore_index:
        return _NO_EXAMPLE, 0
    if label < 0 or label >= a.columns:
        return _NO_EXAMPLE, 1
    return label, 0


@scalar
def _row(real: Real, label: Number, targets: Numbers, numbers: Numbers) -> tuple[Number, Number, Number]:
    """g, L and z of a row, in float64; its numbers become exp(x - m), and 0 at the label."""
    largest = maximum(numbers)
    if label == _SOFT:
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
def _scale(numbers: Numbers, factor: Number) -> None:
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
def _soft_gradient(numbers: Numbers, targets: Numbers, factor: Number, weight: Number) -> None:
    vectorize()
    for j in range(numbers.size):
        numbers[j] = numbers[j] * factor - targets[j] * weight
