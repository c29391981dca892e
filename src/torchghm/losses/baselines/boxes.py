"""The box losses that GHM-R is compared with, as modules behind the same call."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_flag, check_number
from torchghm.functional.box_baselines import BoxAverage, smooth_l1_loss
from torchghm.functional.examples import Reduction
from torchghm.functional.regression import arrange_residual, asl1_loss, weighted_residual
from torchghm.kernels import ops
from torchghm.losses.diagnostics import PlainDiagnostics
from torchghm.losses.state.ranks import is_joint, part_of_joint_mean
from torchghm.losses.unscriptable import Unscriptable

BINS = 10
"""Unit regions of the histogram that ASL1 shows: as many as `torchghm.GHMRLoss` has."""


class _BoxBaseline(Unscriptable):
    """A box loss averaged over coordinates, or over boxes as detectors do (four times as much).

    With ``sync`` the mean of training is over the coordinates of all ranks of ``torch.distributed``.
    """

    diagnostics: PlainDiagnostics | None
    """Diagnostics of the last call; None before the first."""

    def __init__(self, average: BoxAverage, reduction: Reduction, sync: bool) -> None:
        super().__init__()
        check_choice("average", average, ("coordinates", "boxes"))
        check_choice("reduction", reduction, ("mean", "sum", "none"))
        check_flag("sync", sync)
        self.average: BoxAverage = average
        self.reduction: Reduction = reduction
        self.sync = sync
        self.diagnostics = None

    def _loss(self, inputs: Tensor, targets: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
        raise NotImplementedError

    def _counts(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> Tensor | None:
        """Return the count of coordinates in each unit region, for a loss whose gradient norm tells them apart."""
        return None

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch; arguments as in `torchghm.GHMRLoss.forward`."""
        loss = self._loss(inputs, targets, weight, self.reduction)
        if self.reduction == "mean":
            plain = loss.detach()
        else:
            with torch.no_grad():
                plain = self._loss(inputs, targets, weight, "mean")
        self.diagnostics = PlainDiagnostics(plain, counts=self._counts(inputs, targets, weight))
        if is_joint(self):
            loss = loss * part_of_joint_mean(weighted_residual(inputs, targets, weight)[1].sum())
        return loss * inputs.shape[-1] if self.average == "boxes" and self.reduction == "mean" else loss


class SmoothL1Loss(_BoxBaseline):
    """Smooth L1 loss (``delta=0``: L1): see `torchghm.functional.smooth_l1_loss`.

    Arguments:
        delta: as there.
        average: the mean is over ``"coordinates"``, or over ``"boxes"`` as detectors do, which is four times as much.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        sync: take the mean of training over the coordinates of all ranks of ``torch.distributed``.

    Raises:
        ValueError: an option out of its range.

    Examples:
        >>> SmoothL1Loss(delta=1.0)(torch.tensor([1.0]), torch.tensor([0.0]))
        tensor(0.5000)
    """

    def __init__(
        self,
        delta: float = 1.0 / 9.0,
        *,
        average: BoxAverage = "coordinates",
        reduction: Reduction = "mean",
        sync: bool = True,
    ) -> None:
        super().__init__(average, reduction, sync)
        check_number("delta", delta, "a number of at least 0", ok=lambda value: value >= 0)
        self.delta = delta

    def _loss(self, inputs: Tensor, targets: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
        return smooth_l1_loss(inputs, targets, weight, delta=self.delta, reduction=reduction)


class ASL1Loss(_BoxBaseline):
    """Authentic smooth L1 loss, GHM-R without harmonizing: see `torchghm.functional.asl1_loss`.

    Arguments:
        mu: as there.
        average, reduction, sync: as in `SmoothL1Loss`.

    Raises:
        ValueError: an option out of its range.

    Examples:
        >>> ASL1Loss(mu=4.0)(torch.tensor([3.0]), torch.tensor([0.0]))
        tensor(1.)
    """

    def __init__(
        self,
        mu: float = 0.02,
        *,
        average: BoxAverage = "coordinates",
        reduction: Reduction = "mean",
        sync: bool = True,
    ) -> None:
        super().__init__(average, reduction, sync)
        check_number("mu", mu, "a number above 0", ok=lambda value: value > 0)
        self.mu = mu

    def _loss(self, inputs: Tensor, targets: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
        return asl1_loss(inputs, targets, weight, mu=self.mu, reduction=reduction)

    def _counts(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> Tensor:
        residual, amount = arrange_residual(inputs.detach(), targets, weight)
        counts = ops.regression_histogram(residual, amount, BINS, mu=self.mu, leave_out_nonfinite=False)
        return counts[:BINS]
