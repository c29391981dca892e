"""Entry points of the kernels: C functions of one pointer to `Arguments`, one for each dtype of the arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numba.np.numpy_support import carray

from torchghm.kernels.cpu import softmax
from torchghm.kernels.cpu.histogram_pass import count_examples
from torchghm.kernels.cpu.loss_pass import weigh_examples
from torchghm.kernels.cpu.residual_median import set_mu
from torchghm.kernels.cpu.simd.annotations import Pointer, Real
from torchghm.kernels.cpu.simd.loads_and_stores import STORAGE

EntryPoint = Callable[[Pointer], None]


def _by_dtype(make: Callable[[Real], EntryPoint]) -> dict[torch.dtype, EntryPoint]:
    """Make an entry point for each dtype of the arithmetic, to be found by the dtype that is read."""
    entry_points = {}
    for dtype, real in ((torch.float32, np.float32), (torch.float64, np.float64)):
        entry_points[dtype] = make(real)
        entry_points[dtype].__name__ = f"{make.__name__}_{real.__name__}"
    return {dtype: entry_points[torch.promote_types(dtype, torch.float32)] for dtype in STORAGE}


# An entry point holds its dtype and nothing else: by what it holds Numba finds it again on the disk.


@_by_dtype
def sigmoid_histogram(real: Real) -> EntryPoint:
    """Pass 1 of sigmoid GHM-C."""
    return lambda pointer: count_examples(carray(pointer, (1,))[0], real, None)


@_by_dtype
def sigmoid_loss(real: Real) -> EntryPoint:
    """Pass 2 of sigmoid GHM-C."""
    return lambda pointer: weigh_examples(carray(pointer, (1,))[0], real, None)


@_by_dtype
def residual_histogram(real: Real) -> EntryPoint:
    """Pass 1 of GHM-R."""
    return lambda pointer: count_examples(carray(pointer, (1,))[0], real, real(carray(pointer, (1,))[0].mu))


@_by_dtype
def residual_loss(real: Real) -> EntryPoint:
    """Pass 2 of GHM-R."""
    return lambda pointer: weigh_examples(carray(pointer, (1,))[0], real, real(carray(pointer, (1,))[0].mu))


@_by_dtype
def softmax_histogram(real: Real) -> EntryPoint:
    """Pass 1 of softmax GHM-C."""
    return lambda pointer: softmax.count_rows(carray(pointer, (1,))[0], real)


@_by_dtype
def softmax_loss(real: Real) -> EntryPoint:
    """Pass 2 of softmax GHM-C."""
    return lambda pointer: softmax.weigh_rows(carray(pointer, (1,))[0], real)


@_by_dtype
def median(real: Real) -> EntryPoint:
    """The running median of |d|, before pass 1 of GHM-R."""
    return lambda pointer: set_mu(carray(pointer, (1,))[0], real)


HISTOGRAM = {"sigmoid": sigmoid_histogram, "softmax": softmax_histogram, "residual": residual_histogram}
LOSS = {"sigmoid": sigmoid_loss, "softmax": softmax_loss, "residual": residual_loss}
"""Passes 1 and 2."""
