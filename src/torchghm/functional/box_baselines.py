"""Baselines of GHM-R beside its own ASL1: smooth L1 and L1. Thin over torch."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_number
from torchghm.functional.examples import Reduction
from torchghm.functional.regression import reduce_weighted, weighted_residual

BoxAverage = Literal["coordinates", "boxes"]


def smooth_l1_loss(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    delta: float = 1.0 / 9.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the smooth L1 loss, d^2 / (2 delta) below delta and |d| - delta / 2 above (Girshick, ICCV 2015).

    Arguments:
        inputs, targets, weight, reduction: as in `torchghm.functional.asl1_loss`.
        delta: where the loss turns from quadratic to linear, at least 0; 0 is L1.

    Returns:
        A scalar, or with ``reduction="none"`` the shape of ``inputs``.

    Raises:
        ValueError: unlike shapes, an option out of range.
        TypeError: inputs or targets of a dtype that can't be read.

    Examples:
        >>> smooth_l1_loss(torch.tensor([1.0]), torch.tensor([0.0]), delta=1.0)
        tensor(0.5000)
    """
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    check_number("delta", delta, "a number of at least 0", ok=lambda value: value >= 0)
    residual, amount = weighted_residual(inputs, targets, weight)
    loss = F.smooth_l1_loss(residual, torch.zeros_like(residual), reduction="none", beta=delta)
    return reduce_weighted(amount * loss, amount.sum(), reduction)
