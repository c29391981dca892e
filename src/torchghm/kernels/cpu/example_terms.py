"""What every kind of example contributes: its gradient norm g, the derivative of its loss, and its loss L.

Which kind it is the passes know by ``other``, what they are told beside the numbers: nothing for logits of class
indices, the targets for logits of soft targets, and mu for box coordinates.

Class indices come as s, the logit whose sign says how wrong it is: x for a negative, -x at the labelled class. Then
g = sigmoid(s) and L = softplus(s) for both, and the positives, one logit in a hundred, cost a change of sign when they
are read and another one of the derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from torchghm.kernels.cpu.simd.arithmetic import exp_nonpositive, log1p_unit, sigmoid
from torchghm.kernels.cpu.simd.intrinsics import overload
from torchghm.kernels.cpu.simd.loads_and_stores import load_numbers
from torchghm.kernels.cpu.simd.vectors import root, select


def terms(real: Any, numbers: Any, other: Any, j: Any) -> Any:
    """What `judge` computes from, of the examples that begin at number ``j``; the logit first."""


def judge(real: Any, other: Any, terms: Any) -> Any:
    """g, the derivative of L by the number, and L."""


@overload(terms)
def _terms(real: Any, numbers: Any, other: Any, j: Any) -> Any:
    def of_class_index(real: Any, numbers: Any, other: Any, j: Any) -> Any:
        s = load_numbers(numbers, j)
        return s, exp_nonpositive(-abs(s))

    def of_soft_target(real: Any, numbers: Any, other: Any, j: Any) -> Any:
        x = load_numbers(numbers, j)
        return x, exp_nonpositive(-abs(x)), load_numbers(other, j)

    def of_residual(real: Any, numbers: Any, other: Any, j: Any) -> Any:
        # sqrt(d^2 + mu^2), with the larger of |d| and mu taken out, so that no square overflows.
        d = load_numbers(numbers, j)
        size = abs(d)
        ratio = select(size < other, size, other) / select(size < other, other, size)
        return d, size, select(size < other, other, size) * root(real(1) + ratio * ratio)

    if isinstance(other, types.Array):
        return of_soft_target
    return of_residual if isinstance(other, types.Float) else of_class_index


@overload(judge)
def _judge(real: Any, other: Any, terms: Any) -> Any:
    def class_index(real: Any, other: Any, terms: Any) -> Any:
        s, e = terms
        norm = sigmoid(real, s, e)
        return norm, norm, select(s < real(0), real(0), s) + log1p_unit(e)

    def soft_target(real: Any, other: Any, terms: Any) -> Any:
        x, e, target = terms
        slope = sigmoid(real, x, e) - target
        return abs(slope), slope, select(x < real(0), real(0), x) - x * target + log1p_unit(e)

    def residual(real: Any, other: Any, terms: Any) -> Any:
        # g = |d| / root and ASL1(d) = root - mu; NaN stays NaN.
        d, size, length = terms
        infinite = size == real(np.inf)
        slope = select(infinite, select(d < real(0), real(-1), real(1)), d / length)
        return abs(slope), slope, select(infinite, size, size / (length + other) * size)

    if isinstance(other, types.Array):
        return soft_target
    return residual if isinstance(other, types.Float) else class_index
