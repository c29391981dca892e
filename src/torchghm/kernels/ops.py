"""The two passes, whichever backend runs them: the only place where backends meet.

Pass 1 reads the logits and fills a histogram of gradient norms. Every variant of the density is then computed on
that small table in plain torch. Pass 2 reads the logits once more and writes the loss and its gradient, each example
weighed by the table's entry for its region. A backend knows the table, never the variant.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

from torchghm.functional.examples import Activation, Examples
from torchghm.kernels import eager

Backend = Literal["auto", "eager"]
BACKENDS: tuple[str, ...] = ("auto", "eager")


class HarmonizedLoss(NamedTuple):
    """What pass 2 returns."""

    loss: Tensor
    """sum of table[region] * w * L: a scalar with a gradient."""
    sums: Tensor
    """[3], without a gradient: sum w L (the plain loss), sum of |gradient|, its part that belongs to positives."""


def classification_histogram(
    examples: Examples,
    regions: int,
    *,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> Tensor:
    """Pass 1 of GHM-C: the weighted histogram of g over ``regions`` equal regions of [0, 1].

    Returns:
        [regions + 2] float64: the histogram; the number of valid examples whose logits are not finite (NaN is in no
        region; infinities are in one unless ``leave_out_nonfinite``); the number of targets that are out of range
        (they are in no region, never an index).
    """
    return eager.classification_histogram(
        examples,
        regions,
        activation=activation,
        ignore_index=ignore_index,
        leave_out_nonfinite=leave_out_nonfinite,
    )


def classification_loss(
    examples: Examples,
    table: Tensor,
    *,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> HarmonizedLoss:
    """Pass 2 of GHM-C: loss = sum of table[region(g_i)] w_i L_CE(i), and its gradient in the same pass.

    Arguments:
        table: [regions], what each region's examples are multiplied by: beta, and 1/N for a mean.
    """
    weighed, sums = eager.classification_loss(
        examples, table, activation=activation, ignore_index=ignore_index, leave_out_nonfinite=leave_out_nonfinite
    )
    return HarmonizedLoss(weighed.sum(), sums)


def regression_histogram(
    residual: Tensor,
    weight: Tensor | None,
    regions: int,
    *,
    mu: float,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> Tensor:
    """Pass 1 of GHM-R: the weighted histogram of ASL1's gradient norm; returns as `classification_histogram`.

    Arguments:
        residual: d, any shape, at least float32.
        weight: None or shaped like ``residual``.
    """
    return eager.regression_histogram(residual, weight, regions, mu=mu, leave_out_nonfinite=leave_out_nonfinite)


def regression_loss(
    residual: Tensor,
    weight: Tensor | None,
    table: Tensor,
    *,
    mu: float,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> HarmonizedLoss:
    """Pass 2 of GHM-R: loss = sum of table[region(g_i)] w_i ASL1(d_i), and its gradient in the same pass."""
    weighed, sums = eager.regression_loss(residual, weight, table, mu=mu, leave_out_nonfinite=leave_out_nonfinite)
    return HarmonizedLoss(weighed.sum(), sums)
