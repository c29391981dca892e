"""The classification losses that GHM-C is compared with, as modules behind the same call."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torchghm.functional.arguments import check_choice, check_flag, check_number
from torchghm.functional.baselines import (
    Average,
    Factor,
    focal_factor,
    ohem_factor,
    weighed_cross_entropy,
)
from torchghm.functional.examples import Activation, Reduction
from torchghm.functional.gradient_share import positive_gradient_share
from torchghm.kernels import ops
from torchghm.losses.diagnostics import PlainDiagnostics
from torchghm.losses.ranks import is_joint, part_of_joint_mean

BINS = 30
"""Unit regions of the histogram that baselines show: as many as `torchghm.GHMCLoss` has."""


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
        check_number("class_dim", class_dim, "an integer", ok=lambda value: isinstance(value, int))
        check_number("ignore_index", ignore_index, "an integer", ok=lambda value: isinstance(value, int))
        check_flag("sync", sync)
        self.activation: Activation = activation
        self.average: Average = average
        self.ignore_index = ignore_index
        self.class_dim = class_dim
        self.reduction: Reduction = reduction
        self.sync = sync
        self.diagnostics = None

    _gamma = 0.0
    """Power of 1 - p_t in the factor, through which the gradient flows."""

    def _factor(self) -> Factor:
        raise NotImplementedError

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch; arguments as in `torchghm.GHMCLoss.forward`."""
        weighed = weighed_cross_entropy(
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
        share = None
        if self.activation == "sigmoid":
            share = positive_gradient_share(weighed.examples, weighed.cross_entropy, weighed.strength, self._gamma)
        counts = ops.classification_histogram(
            weighed.examples._replace(logits=weighed.examples.logits.detach()),
            BINS,
            activation=self.activation,
            ignore_index=self.ignore_index,
            leave_out_nonfinite=False,
        )[:BINS]
        self.diagnostics = PlainDiagnostics(weighed.plain, share, counts)
        if is_joint(self):
            positives = self.activation == "sigmoid" and self.average == "positives"
            return weighed.loss * part_of_joint_mean(weighed.total, least=1.0 if positives else 0.0)
        return weighed.loss

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
        self.gamma = self._gamma = gamma
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
