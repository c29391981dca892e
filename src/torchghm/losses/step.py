"""A step of a harmonized loss: the batch and the options it is told, the record it returns, and what it refuses.

`torchghm.losses.two_pass` and `torchghm.losses.fused` implement it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from torch import Tensor

from torchghm.functional.example_errors import nonfinite_error, target_error
from torchghm.functional.examples import (
    Activation,
    Average,
    Examples,
    Nonfinite,
    Normalize,
    Reduction,
    checked_for_free,
    positive_weight,
)
from torchghm.kernels import eager, ops
from torchghm.losses.state.density_state import DensityEstimate, DensityState
from torchghm.losses.state.residual_scale import ResidualScale


class HarmonizingOptions(NamedTuple):
    """How a loss harmonizes: the options of `torchghm.GHMCLoss` and `torchghm.GHMRLoss` that a step depends on."""

    bins: int
    normalize: Normalize
    max_weight: float | None
    nonfinite: Nonfinite
    reduction: Reduction
    backend: ops.Backend
    average: Average = "examples"
    """Examples that the mean is over."""
    validate: bool | None = None
    """Whether values of targets and weights are checked; None where that waits for no device."""

    def checks_values(self, inputs: Tensor) -> bool:
        """Whether values of targets and weights are looked at."""
        return checked_for_free(inputs) if self.validate is None else self.validate

    @property
    def leave_out_nonfinite(self) -> bool:
        """Whether examples that are not finite are no examples."""
        return self.nonfinite == "ignore"

    def counting_backend(self, inputs: Tensor) -> ops.Backend:
        """Backend of pass 1: unreduced losses come from plain torch, and both passes must agree on every edge."""
        if self.reduction != "none":
            return self.backend
        ops.resolve_backend(self.backend, inputs)  # one that can't run is still an error
        return "eager"


class LogitBatch(NamedTuple):
    """Logits with targets: the examples of GHM-C."""

    examples: Examples
    activation: Activation
    ignore_index: int

    @property
    def inputs(self) -> Tensor:
        """Tensor that the loss is differentiated by."""
        return self.examples.logits

    @property
    def weight(self) -> Tensor | None:
        """The weight of every example, None for 1."""
        return self.examples.weight

    def counts_positives(self, options: HarmonizingOptions) -> bool:
        """Whether the step needs the number of positives."""
        return self.activation == "sigmoid" and "positives" in (options.average, options.normalize)

    def positives(self, options: HarmonizingOptions) -> Tensor | None:
        """Number of positives, a scalar; None where the step does not need it."""
        if not self.counts_positives(options):
            return None
        return positive_weight(self.examples, self.ignore_index, leave_out_nonfinite=options.leave_out_nonfinite)

    def histogram(self, regions: int, options: HarmonizingOptions) -> Tensor:
        """Pass 1: see `torchghm.kernels.ops.classification_histogram`."""
        return ops.classification_histogram(
            self.examples,
            regions,
            activation=self.activation,
            ignore_index=self.ignore_index,
            leave_out_nonfinite=options.leave_out_nonfinite,
            backend=options.counting_backend(self.inputs),
        )

    def weighed_loss(self, table: Tensor, options: HarmonizingOptions) -> tuple[Tensor, Tensor]:
        """Pass 2: the loss, or that of every example with ``reduction="none"``, and the sums [3]."""
        leave_out, label = options.leave_out_nonfinite, self.ignore_index
        if options.reduction == "none":
            return eager.classification_loss(
                self.examples, table, activation=self.activation, ignore_index=label, leave_out_nonfinite=leave_out
            )
        return ops.classification_loss(
            self.examples,
            table,
            activation=self.activation,
            ignore_index=label,
            leave_out_nonfinite=leave_out,
            backend=options.backend,
        )

    def target_error(self, count: int) -> ValueError:
        """The error for ``count`` targets out of range."""
        return target_error(self.examples, self.ignore_index, count, activation=self.activation)


class ResidualBatch(NamedTuple):
    """Residuals of box coordinates: the examples of GHM-R."""

    inputs: Tensor
    """d, any shape, at least float32."""
    weight: Tensor | None
    mu: float

    def positives(self, options: HarmonizingOptions) -> None:
        """None: every coordinate is a positive's."""

    def histogram(self, regions: int, options: HarmonizingOptions) -> Tensor:
        """Pass 1: see `torchghm.kernels.ops.regression_histogram`."""
        return ops.regression_histogram(
            self.inputs,
            self.weight,
            regions,
            mu=self.mu,
            leave_out_nonfinite=options.leave_out_nonfinite,
            backend=options.counting_backend(self.inputs),
        )

    def weighed_loss(self, table: Tensor, options: HarmonizingOptions) -> tuple[Tensor, Tensor]:
        """Pass 2: the loss, or that of every coordinate with ``reduction="none"``, and the sums [3]."""
        leave_out = options.leave_out_nonfinite
        if options.reduction == "none":
            return eager.regression_loss(self.inputs, self.weight, table, mu=self.mu, leave_out_nonfinite=leave_out)
        return ops.regression_loss(
            self.inputs, self.weight, table, mu=self.mu, leave_out_nonfinite=leave_out, backend=options.backend
        )

    def target_error(self, count: int) -> ValueError:
        """Never called: no residual has an invalid target."""
        raise AssertionError(f"{count} invalid targets of residuals")


Batch = LogitBatch | ResidualBatch


class Memory(NamedTuple):
    """Memory of a loss from step to step."""

    density: DensityState
    residual_scale: ResidualScale | None = None
    """The median of |d| that mu follows; None where mu is a number."""


class Observation(NamedTuple):
    """Observation of a step, for the diagnostics."""

    estimate: DensityEstimate
    beta: Tensor
    """[regions]"""
    sums: Tensor
    """[3], of pass 2."""
    histogram: Tensor
    """[regions + 2], of pass 1."""
    total: Tensor
    """Divisor of the mean: a scalar."""

    def unpack(self) -> Observation:
        """Return itself: there is nothing to unpack."""
        return self


class Unpackable(Protocol):
    """An observation, or what becomes one when somebody looks."""

    def unpack(self) -> Observation:
        """Return the observation."""
        ...


class StepRecord(NamedTuple):
    """Result of a step: a loss and what it saw, or an error and a memory that has not changed."""

    loss: Tensor | None
    observed: Unpackable | None
    refusal: ValueError | None = None


Step = Callable[[Batch, HarmonizingOptions, Memory], StepRecord]
"""Takes in a batch, moves the memory in training, and returns the record."""


def find_refusal(histogram: Tensor, batch: Batch, options: HarmonizingOptions) -> ValueError | None:
    """Name what pass 1 found that the options refuse.

    Arguments:
        histogram: [regions + 2] of pass 1: examples by region, then how many are not finite, and invalid targets.
        batch: what was counted.
        options: which values are looked at.

    Returns:
        The error, None for a batch that is right.
    """
    regions = histogram.numel() - 2
    if options.checks_values(histogram):
        invalid = int(histogram[regions + 1])
        if invalid:
            return batch.target_error(invalid)
    nonfinite = int(histogram[regions]) if options.nonfinite == "raise" else 0
    return nonfinite_error(nonfinite) if nonfinite else None
