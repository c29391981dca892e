"""Terms that every kind of example contributes: its gradient norm g, the derivative of its loss, and its loss L.

Which kind it is the passes know by ``target``, what they are told beside the numbers: None for logits of class indices,
the targets for logits of soft targets, and mu for box coordinates.

Class indices come as s, the logit whose sign says how wrong it is: x for a negative, -x at the labelled class. Then
g = sigmoid(s) and L = softplus(s) for both, and the positives, one logit in a hundred, cost a change of sign when they
are read and another one of the derivative.
"""

from __future__ import annotations

import numpy as np
from numba import types

from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Real
from torchghm.kernels.cpu.simd.arithmetic import exp_nonpositive, log1p_unit, sigmoid
from torchghm.kernels.cpu.simd.compiling import by_types
from torchghm.kernels.cpu.simd.loads_and_stores import load_numbers
from torchghm.kernels.cpu.simd.vectors import root, select


@by_types
def shared_terms(real: Real, numbers: Numbers, target: Number, j: Number) -> Number:
    """The number, and the exponential or root that g and L share, of the examples from ``j`` on."""

    def of_class_index(real: Real, numbers: Numbers, target: Number, j: Number) -> Number:
        s = load_numbers(numbers, j)
        return s, exp_nonpositive(-abs(s))

    def of_soft_target(real: Real, numbers: Numbers, target: Number, j: Number) -> Number:
        x = load_numbers(numbers, j)
        return x, exp_nonpositive(-abs(x)), load_numbers(target, j)

    def of_residual(real: Real, numbers: Numbers, target: Number, j: Number) -> Number:
        # sqrt(d^2 + mu^2), with the larger of |d| and mu taken out, so that no square overflows.
        d = load_numbers(numbers, j)
        size = abs(d)
        ratio = select(size < target, size, target) / select(size < target, target, size)
        return d, size, select(size < target, target, size) * root(real(1) + ratio * ratio)

    if isinstance(target, types.Array):
        return of_soft_target
    return of_residual if isinstance(target, types.Float) else of_class_index


@by_types
def norm_slope_and_loss(real: Real, target: Number, terms: Number) -> Number:
    """g, the derivative of L by the number, and L, from `shared_terms`."""

    def of_class_index(real: Real, target: Number, terms: Number) -> Number:
        s, e = terms
        norm = sigmoid(real, s, e)
        return norm, norm, select(s < real(0), real(0), s) + log1p_unit(e)

    def of_soft_target(real: Real, target: Number, terms: Number) -> Number:
        x, e, soft = terms
        slope = sigmoid(real, x, e) - soft
        return abs(slope), slope, select(x < real(0), real(0), x) - x * soft + log1p_unit(e)

    def of_residual(real: Real, target: Number, terms: Number) -> Number:
        # g = |d| / root and ASL1(d) = root - mu; NaN stays NaN.
        d, size, length = terms
        infinite = size == real(np.inf)
        slope = select(infinite, select(d < real(0), real(-1), real(1)), d / length)
        return abs(slope), slope, select(infinite, size, size / (length + target) * size)

    if isinstance(target, types.Array):
        return of_soft_target
    return of_residual if isinstance(target, types.Float) else of_class_index
