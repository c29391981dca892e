"""The losses that GHM is compared with, as modules behind the same call."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torchghm.functional.baselines import (
    Average,
    BoxAverage,
    Factor,
    focal_factor,
    ohem_factor,
    smooth_l1_loss,
    weighed_cross_entropy,
)
from torchghm.functional.examples import Activation, Reduction, check_choice, check_number
from torchghm.functional.regression import arrange_residual, asl1_loss
from torchghm.losses.diagnostics import PlainDiagnostics
from torchghm.losses.ranks import part_of_joint_mean, rank_count


class _ClassificationBaseline(nn.Module):
    """Cross entropy times a factor an example; the options and the call are those of `torchghm.GHMCLoss`.

    With ``sync`` the mean of training is over the examples or positives of all ranks of ``torch.distributed``.
    """

    diagnostics: PlainDiagnostics | None
    """What the last call saw; None before the first."""

    def __init__(
        self,
        activation: Activation,
        average: Average,
        ignore_index: int,
        class_dim: int,
        reduction: Reduction,
        sync: bool,
    ) -> None:
        super().__init__()
        check_choice("activation", activation, ("sigmoid", "softmax"))
        check_choice("average", average, ("positives", "examples"))
        check_choice("reduction", reduction, ("mean", "sum", "none"))
        self.activation: Activation = activation
        self.average: Average = average
        self.ignore_index = ignore_index
        self.class_dim = class_dim
        self.reduction: Reduction = reduction
        self.sync = sync
        self.diagnostics = None

    def _factor(self) -> Factor:
        raise NotImplementedError

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch; arguments as in `torchghm.GHMCLoss.forward`."""
        loss, plain, total = weighed_cross_entropy(
            inputs,
            targets,
            weight,
            self._factor(),
            activation=self.activation,
            average=self.average,
            ignore_index=self.ignore_index,
            class_dim=self.class_dim,
            reduction=self.reduction,
        )
        self.diagnostics = PlainDiagnostics(plain)
        if _is_joint(self):
            positives = self.activation == "sigmoid" and self.average == "positives"
            loss = loss * part_of_joint_mean(total, least=1.0 if positives else 0.0)
        return loss

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return f"activation={self.activation!r}, average={self.average!r}, reduction={self.reduction!r}"


class CrossEntropyLoss(_ClassificationBaseline):
    """Cross entropy: see `torchghm.functional.cross_entropy_loss`.

    Example:
        >>> CrossEntropyLoss(average="examples")(torch.zeros(2, 3), torch.tensor([1, -1]))
        tensor(0.6931)
    """

    def __init__(
        self,
        *,
        activation: Activation = "sigmoid",
        average: Average = "positives",
        ignore_index: int = -100,
        class_dim: int = -1,
        reduction: Reduction = "mean",
        sync: bool = True,
    ) -> None:
        super().__init__(activation, average, ignore_index, class_dim, reduction, sync)

    def _factor(self) -> Factor:
        return lambda cross_entropy, examples, amount: torch.ones_like(cross_entropy)


class FocalLoss(_ClassificationBaseline):
    """Focal loss: see `torchghm.functional.focal_loss`.

    Example:
        >>> FocalLoss(alpha=None)(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.3466)
    """

    def __init__(
        self,
        alpha: float | None = 0.25,
        gamma: float = 2.0,
        *,
        activation: Activation = "sigmoid",
        average: Average = "positives",
        ignore_index: int = -100,
        class_dim: int = -1,
        reduction: Reduction = "mean",
        sync: bool = True,
    ) -> None:
        super().__init__(activation, average, ignore_index, class_dim, reduction, sync)
        self.alpha = alpha
        self.gamma = gamma
        self._factor()  # refuses values out of range now, not in the first step

    def _factor(self) -> Factor:
        return focal_factor(self.alpha, self.gamma, self.activation)


class OHEMLoss(_ClassificationBaseline):
    """Online hard example mining, sigmoid: see `torchghm.functional.ohem_loss`.

    Every rank mines its own examples; the mean is over the positives of all.

    Example:
        >>> OHEMLoss(negatives_per_positive=1)(torch.tensor([[0.0, -9.0, 2.0]]), torch.tensor([0]))
        tensor(2.8201)
    """

    def __init__(
        self,
        negatives_per_positive: float = 3.0,
        min_negatives: int = 1,
        *,
        ignore_index: int = -100,
        class_dim: int = -1,
        reduction: Reduction = "mean",
        sync: bool = True,
    ) -> None:
        super().__init__("sigmoid", "positives", ignore_index, class_dim, reduction, sync)
        self.negatives_per_positive = negatives_per_positive
        self.min_negatives = min_negatives
        self._factor()  # refuses values out of range now, not in the first step

    def _factor(self) -> Factor:
        return ohem_factor(self.negatives_per_positive, self.min_negatives)


class _BoxBaseline(nn.Module):
    """A box loss averaged over coordinates, or over boxes as detectors do (four times as much).

    With ``sync`` the mean of training is over the coordinates of all ranks of ``torch.distributed``.
    """

    diagnostics: PlainDiagnostics | None
    """What the last call saw; None before the first."""

    def __init__(self, average: BoxAverage, reduction: Reduction, sync: bool) -> None:
        super().__init__()
        check_choice("average", average, ("coordinates", "boxes"))
        check_choice("reduction", reduction, ("mean", "sum", "none"))
        self.average: BoxAverage = average
        self.reduction: Reduction = reduction
        self.sync = sync
        self.diagnostics = None

    def _loss(self, inputs: Tensor, targets: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
        raise NotImplementedError

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch; arguments as in `torchghm.GHMRLoss.forward`."""
        loss = self._loss(inputs, targets, weight, self.reduction)
        if self.reduction == "mean":
            plain = loss.detach()
        else:
            with torch.no_grad():
                plain = self._loss(inputs, targets, weight, "mean")
        self.diagnostics = PlainDiagnostics(plain)
        if _is_joint(self):
            loss = loss * part_of_joint_mean(arrange_residual(inputs, targets, weight)[1].sum())
        return loss * inputs.shape[-1] if self.average == "boxes" and self.reduction == "mean" else loss


class SmoothL1Loss(_BoxBaseline):
    """Smooth L1 loss (``delta=0``: L1): see `torchghm.functional.smooth_l1_loss`.

    Example:
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

    Example:
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


def _is_joint(loss: _ClassificationBaseline | _BoxBaseline) -> bool:
    return loss.training and loss.sync and loss.reduction == "mean" and rank_count() > 1
