"""Entry points of the kernels: C functions of one pointer to `Arguments`, compiled for what they are called with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from numba.np.numpy_support import carray

from torchghm.kernels.cpu.density_step import set_table
from torchghm.kernels.cpu.histogram_pass import count_examples
from torchghm.kernels.cpu.kernel import MADE_BY, Arguments
from torchghm.kernels.cpu.loss_pass import weigh_examples
from torchghm.kernels.cpu.residual_median import set_mu
from torchghm.kernels.cpu.simd.annotations import Option, Pointer, Real
from torchghm.kernels.cpu.simd.bit_planes import MOST_IN_PLANES
from torchghm.kernels.cpu.simd.region_edges import MOST_EDGES
from torchghm.kernels.cpu.softmax.row_passes import count_rows, weigh_rows
from torchghm.kernels.cpu.softmax.rows_side_by_side import FEW_CLASSES

EntryPoint = Callable[[Pointer], None]
Kind = Literal["sigmoid", "softmax", "residual"]


class Passes(NamedTuple):
    """Entry points of passes 1 and 2."""

    histogram: EntryPoint
    loss: EntryPoint


def passes_for(kind: Kind, dtype: torch.dtype, arguments: Arguments) -> Passes:
    """Return the passes for logits or residuals of this dtype, and for what the arguments ask for."""
    double, soft = dtype is torch.float64, arguments.target_storage >= 0
    if kind == "softmax":
        few_classes = arguments.columns <= FEW_CLASSES and not soft
        return Passes(softmax_histogram(double, few_classes), softmax_loss(double, few_classes))
    return _passes(kind, double, soft, arguments.weight != 0, arguments.regions)


@functools.lru_cache(maxsize=1024)
def _passes(kind: Kind, double: bool, soft: bool, weighted: bool, regions: int) -> Passes:
    few = regions <= MOST_IN_PLANES and not weighted
    if kind == "residual":
        return Passes(residual_histogram(double, weighted, few), residual_loss(double, weighted))
    by_edges = regions <= MOST_EDGES and not (double or soft or weighted)
    return Passes(
        sigmoid_histogram(double, soft, weighted, few, by_edges), sigmoid_loss(double, soft, weighted, by_edges)
    )


def _compiled_for(*names: str) -> Callable[[Callable[..., EntryPoint]], Callable[..., EntryPoint]]:
    """Make entry points of what is told the dtype of the arithmetic and options with these names, once for each.

    An option that is not wanted is None there: Numba leaves out what an argument's type excludes.
    """

    def decorate(make: Callable[..., EntryPoint]) -> Callable[..., EntryPoint]:
        @functools.cache
        def entry_point(double: bool, *options: bool) -> EntryPoint:
            real = np.float64 if double else np.float32
            made = make(real, *(option or None for option in options))
            wanted = [name for name, option in zip(names, options, strict=True) if option]
            made.__name__ = "_".join((make.__name__, real.__name__, *wanted))
            setattr(made, MADE_BY, (make.__name__, (double, *options)))
            return made

        return functools.update_wrapper(entry_point, make)

    return decorate


# An entry point holds its dtype and options, and nothing else: by what it holds Numba finds it again on the disk.


@_compiled_for("soft", "weighted", "few", "by_edges")
def sigmoid_histogram(real: Real, soft: Option, weighted: Option, few: Option, by_edges: Option) -> EntryPoint:
    """Pass 1 of sigmoid GHM-C."""
    return lambda pointer: count_examples(carray(pointer, (1,))[0], real, soft, weighted, few, by_edges)


@_compiled_for("soft", "weighted", "by_edges")
def sigmoid_loss(real: Real, soft: Option, weighted: Option, by_edges: Option) -> EntryPoint:
    """Pass 2 of sigmoid GHM-C."""
    return lambda pointer: weigh_examples(carray(pointer, (1,))[0], real, soft, weighted, by_edges)


@_compiled_for("weighted", "few")
def residual_histogram(real: Real, weighted: Option, few: Option) -> EntryPoint:
    """Pass 1 of GHM-R."""

    def entry_point(pointer: Pointer) -> None:
        a = carray(pointer, (1,))[0]
        count_examples(a, real, real(a.mu), weighted, few, None)

    return entry_point


@_compiled_for("weighted")
def residual_loss(real: Real, weighted: Option) -> EntryPoint:
    """Pass 2 of GHM-R."""

    def entry_point(pointer: Pointer) -> None:
        a = carray(pointer, (1,))[0]
        weigh_examples(a, real, real(a.mu), weighted, None)

    return entry_point


@_compiled_for("few_classes")
def softmax_histogram(real: Real, few_classes: Option) -> EntryPoint:
    """Pass 1 of softmax GHM-C."""
    return lambda pointer: count_rows(carray(pointer, (1,))[0], real, few_classes)


@_compiled_for("few_classes")
def softmax_loss(real: Real, few_classes: Option) -> EntryPoint:
    """Pass 2 of softmax GHM-C."""
    return lambda pointer: weigh_rows(carray(pointer, (1,))[0], real, few_classes)


@_compiled_for()
def median(real: Real) -> EntryPoint:
    """The running median of |d|, before pass 1 of GHM-R."""
    return lambda pointer: set_mu(carray(pointer, (1,))[0], real)


@_compiled_for("following")
def density_step(real: Real, following: Option) -> EntryPoint:
    """From the histogram to the table, in float64; ``following`` that median, or not."""
    return lambda pointer: set_table(carray(pointer, (1,))[0], following)
