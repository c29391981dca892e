"""Base of the classification losses without a density: the call, the options, the diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_flag, check_integer
from torchghm.functional.examples import Activation, Average, Reduction
from torchghm.functional.gradient_share import positive_gradient_share
from torchghm.functional.weighed import Formula, LossOptions, WeighedLoss, weigh_examples
from torchghm.kernels import ops
from torchghm.losses.diagnostics import PlainDiagnostics
from torchghm.losses.state.ranks import is_joint, part_of_joint_mean
from torchghm.losses.unscriptable import Unscriptable

if TYPE_CHECKING:
    from typing_extensions import Unpack

BINS = 30
"""Unit regions of the histogram that these losses show: as many as `torchghm.GHMCLoss` has."""


class Options(TypedDict, total=False):
    """Options of every classification loss without a density."""

    activation: Activation
    """``"sigmoid"`` or ``"softmax"``; without it the first that the loss has a form for."""
    average: Average
    """Divisor of the mean, ``"positives"`` (the default) or ``"examples"``: see `cross_entropy_loss`."""
    ignore_index: int
    """The integer target of rows that are left out, by default -100."""
    class_dim: int
    """The axis of the logits that holds the classes, by default the last."""
    reduction: Reduction
    """``"mean"`` (the default), ``"sum"`` or ``"none"``."""
    sync: bool
    """Whether the mean of training, and what is summed over batches, is of all ranks; by default it is."""


class UnharmonizedLoss(Unscriptable):
    """Base of the losses that GHM-C is compared with; the options and the call are those of `torchghm.GHMCLoss`.

    With ``sync`` the mean of training is over the examples or positives of all ranks of ``torch.distributed``.
    """

    activations: ClassVar[tuple[Activation, ...]] = ("sigmoid", "softmax")
    """Forms that the loss has; the first is the default."""

    diagnostics: PlainDiagnostics | None
    """Diagnostics of the last call; None before the first."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__()
        unknown = sorted(options.keys() - Options.__annotations__.keys())
        if unknown:
            raise TypeError(f"Expected options {', '.join(Options.__annotations__)}, but got {', '.join(unknown)}.")
        self.activation: Activation = options.get("activation", self.activations[0])
        self.average: Average = options.get("average", "positives")
        self.ignore_index = options.get("ignore_index", -100)
        self.class_dim = options.get("class_dim", -1)
        self.reduction: Reduction = options.get("reduction", "mean")
        self.sync = options.get("sync", True)
        check_choice("activation", self.activation, self.activations)
        check_choice("average", self.average, ("positives", "examples"))
        check_choice("reduction", self.reduction, ("mean", "sum", "none"))
        check_integer("class_dim", self.class_dim)
        check_integer("ignore_index", self.ignore_index)
        check_flag("sync", self.sync)
        self.diagnostics = None

    def _formula(self) -> Formula:
        """Return the formula of the loss of every example; refuse options out of range."""
        raise NotImplementedError

    def _take_in(self, weighed: WeighedLoss, gradient: Tensor | None) -> None:
        """Learn from a batch: called in training, with w |dL/dx| of every sigmoid logit."""

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch; arguments as in `torchghm.GHMCLoss.forward`."""
        options = LossOptions(self.activation, self.average, self.ignore_index, self.class_dim, self.reduction)
        weighed = weigh_examples(inputs, targets, weight, self._formula(), options)
        gradient = share = None
        with torch.no_grad():
            if self.activation == "sigmoid" and weighed.slope is not None:
                gradient = weighed.amount * weighed.slope()
                share = positive_gradient_share(weighed.examples, gradient)
            if self.training:
                self._take_in(weighed, gradient)
        counts = ops.classification_histogram(
            weighed.examples,
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
        """Return the options that ``print`` shows."""
        return f"activation={self.activation!r}, average={self.average!r}, reduction={self.reduction!r}"
