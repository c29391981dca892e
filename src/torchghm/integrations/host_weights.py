"""GHM-C whose examples have a host's weights: those of varifocal loss and its kind."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal

from torch import Tensor, nn

from torchghm.functional.arguments import check_choice
from torchghm.losses import GHMCLoss
from torchghm.losses.step import HarmonizingOptions, LogitBatch

Weights = Literal["host", "none"]
"""Weights of the examples of a classification, and what their sum is divided by."""


class HostWeightedGHMCLoss(GHMCLoss):
    """GHM-C of soft targets and weights, measured against the weights of all examples with a target above 0.

    `torchghm.GHMCLoss` counts a positive as w p*. Varifocal loss has the overlap for both, so that as long as no box
    fits its square would leave next to no positives, and the easy negatives would not be pushed down.
    """

    def _arrange(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> LogitBatch:
        return HostWeightedBatch(*super()._arrange(inputs, targets, weight))


class HostWeightedBatch(LogitBatch):
    """Logits with soft targets and weights."""

    def positives(self, options: HarmonizingOptions) -> Tensor | None:
        """Sum of the weights of all positives, a scalar; None where the step does not need it."""
        examples = self.examples
        if not examples.targets.is_floating_point():
            return super().positives(options)
        counted = examples._replace(targets=examples.targets.sign())  # 1 of every positive
        return LogitBatch(counted, self.activation, self.ignore_index).positives(options)


def with_host_weights(
    cls_loss: nn.Module | None, weights: Weights | None, *, offered: bool = True
) -> tuple[nn.Module | None, bool]:
    """Return the loss that a host's branches copy, and whether its examples have the host's weights and divisor.

    Arguments:
        cls_loss: as it was checked by `torchghm.integrations.arguments.check_host_losses`.
        weights: ``"host"``, ``"none"``, or None for the host's where ``cls_loss`` is a `GHMCLoss`, of no subclass.
        offered: whether the host weighs its examples at all.

    Raises:
        ValueError: the host's weights for a loss that has weights of its own, or where there are none.
    """
    if weights is not None:
        check_choice("weights", weights, ("host", "none"))
    possible = offered and type(cls_loss) is GHMCLoss
    if weights == "host" and not possible:
        where = f"beside {type(cls_loss).__name__}" if offered else "where the targets are the classes alone"
        raise ValueError(f"Expected argument `weights` to be 'none' {where}, but got 'host'.")
    if weights == "none" or not possible:
        return cls_loss, False
    copy: Any = deepcopy(cls_loss)
    copy.__class__ = HostWeightedGHMCLoss
    copy.reduction = "sum"
    return copy, True
