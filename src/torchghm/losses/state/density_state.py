"""The only mutable state of a loss: how its examples were spread over the regions, averaged over iterations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from torchghm.functional.arguments import check_flag, check_number
from torchghm.functional.weights import inverse
from torchghm.losses.state.float32_buffers import Float32Buffers
from torchghm.losses.state.ranks import rank_count, sum_over_ranks


class DensityEstimate(NamedTuple):
    """A batch's histogram, and the same as seen over iterations."""

    fractions: Tensor
    """[regions], fraction of the examples in each region, averaged over iterations and bias-corrected."""
    batch_fractions: Tensor
    """[regions], the same of this batch alone (of all ranks)."""
    examples: Tensor
    """N, the sum of the weights of this batch's valid examples (of all ranks)."""
    positive_fraction: Tensor | None = None
    """n_pos / N, averaged over iterations like ``fractions``, a scalar of at least 1 / N; None where not counted."""


class Averages(NamedTuple):
    """Averages over iterations, with the bias of its start at 0."""

    fractions: Tensor
    seen: Tensor
    positives: Tensor | None = None


class DensityState(Float32Buffers):
    """Exponential moving average of the fraction of examples in each region (section 3.3 of the paper).

        S_j(t) = a S_j(t-1) + (1 - a) R_j(t) / N(t),   c(t) = a c(t-1) + (1 - a),   estimate = S_j(t) / c(t)

    The average is over fractions, so that a batch of another size does not shift it; c corrects the bias of the start
    at 0, so that the first estimate is the first batch; regions that are empty in a batch decay. The buffers stay
    float32 whatever precision the model is cast to, are updated in place, in training mode only, and are summed over
    ranks before anything else happens.

    Arguments:
        regions: entries of the histogram.
        momentum: a, in [0, 1); 0 keeps no memory.
        sync: sum the histogram over the ranks of ``torch.distributed`` while training.
        positives: average the fraction of positives, too.
    """

    fractions: Tensor
    seen: Tensor
    positives: Tensor

    def __init__(self, regions: int, momentum: float, sync: bool = True, *, positives: bool = False) -> None:
        super().__init__()
        check_number("momentum", momentum, "a number in [0, 1)", ok=lambda value: 0 <= value < 1)
        check_flag("sync", sync)
        self.regions = regions
        self.momentum = momentum
        self.sync = sync
        self.counts_positives = positives
        self.register_buffer("fractions", torch.zeros(regions))
        self.register_buffer("seen", torch.zeros(()))
        if positives:
            self.register_buffer("positives", torch.zeros(()))

    def forward(self, histogram: Tensor, positives: Tensor | None = None) -> DensityEstimate:
        """Take in the histogram [regions] of one batch, of all ranks, and return the densities to weigh it with.

        ``positives`` is the number of positives in it, a scalar, if they are counted.

        In evaluation mode nothing is stored: the batch is seen as if it came next.
        """
        estimate, averages = self.look(histogram, positives)
        self.keep(averages)
        return estimate

    def check_device(self, inputs: Tensor) -> None:
        """Refuse inputs on another device than the memory.

        Raises:
            ValueError: both devices are named.
        """
        if inputs.device != self.fractions.device:
            raise ValueError(
                f"Expected argument `inputs` to be on the device of the loss, {self.fractions.device}, but got "
                f"{inputs.device}: move the loss there with its .to({str(inputs.device)!r})."
            )

    @torch.no_grad()
    def look(self, histogram: Tensor, positives: Tensor | None = None) -> tuple[DensityEstimate, Averages]:
        """Return the densities to weigh a batch with, and the averages that it leads to; nothing is stored."""
        examples = histogram.sum()
        scale = inverse(examples)  # 0 of no examples, and where a weight is not finite
        batch = (histogram * scale).nan_to_num_()
        present = (scale > 0).to(self.fractions.dtype)
        step = present * (1 - self.momentum)  # else the batch says nothing
        fractions, seen = self.fractions.lerp(batch.to(step.dtype), step), self.seen.lerp(present, step)
        correction = inverse(seen)
        # Without a memory at once, and in the histogram's float64.
        estimate = batch if self.momentum == 0 else fractions * correction
        if positives is None or not self.counts_positives:
            return DensityEstimate(estimate, batch, examples), Averages(fractions, seen)
        own = (positives * scale).nan_to_num()
        average = self.positives.lerp(own.to(step.dtype), step)
        fraction = own if self.momentum == 0 else average * correction
        # Built at once: torch.compile of torch 2.11 can't follow a named tuple's `_replace`.
        positive_fraction = torch.maximum(fraction.to(scale.dtype), scale)
        return DensityEstimate(estimate, batch, examples, positive_fraction), Averages(fractions, seen, average)

    @torch.no_grad()
    def keep(self, averages: Averages) -> None:
        """Store the averages that a batch led to, in training mode."""
        if self.training:
            # In place: data-parallel wrappers and captured graphs hold on to the buffers themselves.
            self.fractions.copy_(averages.fractions)
            self.seen.copy_(averages.seen)
            if averages.positives is not None:
                self.positives.copy_(averages.positives)

    def of_all_ranks(self, counts: Tensor) -> Tensor:
        """Return counts of any shape, in training summed over the ranks; evaluation sends nothing."""
        return sum_over_ranks(counts) if self.training and self.ranks > 1 else counts

    @property
    def ranks(self) -> int:
        """Processes that a training batch is spread over, 1 without ``torch.distributed`` or with ``sync=False``."""
        return rank_count() if self.sync else 1

    @torch.no_grad()
    def reset(self) -> None:
        """Forget every batch."""
        for buffer in self.buffers():
            buffer.zero_()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        error_messages = cast(list[str], args[-1])
        saved = state_dict.get(prefix + "fractions")
        if saved is not None and saved.shape != self.fractions.shape:
            error_messages.append(
                f"The state {prefix}fractions was saved with {saved.numel()} regions, but this loss has "
                f"{self.fractions.numel()}: build it with the same `bins` and `density`, or drop the keys "
                f"that begin with {prefix} and load with strict=False to start its average anew."
            )
            return
        state = cast(dict[str, Any], state_dict)
        if not self.counts_positives:
            state.pop(prefix + "positives", None)  # of a loss that counted them: the rest is the same
        elif saved is not None and prefix + "positives" not in state:
            # Of a loss that did not count them. Densities without them would be measured against nothing.
            state |= {prefix + name: torch.zeros_like(buffer) for name, buffer in self.named_buffers()}
            if torch.any(saved != 0):
                warnings.warn(
                    f"The state {prefix}fractions is of a loss that counted no positives, so that the average over "
                    "iterations starts anew. To go on with it, build the loss with the options that it was saved "
                    "with: `published()` reads the states of mmdetection.",
                    stacklevel=2,
                )
        if saved is None:  # what is left would be of other iterations than the densities
            for name, _ in self.named_buffers():
                state.pop(prefix + name, None)
        super()._load_from_state_dict(state, prefix, *args)

    def extra_repr(self) -> str:
        """Return the options that ``print`` shows."""
        return f"regions={self.fractions.numel()}, momentum={self.momentum}, sync={self.sync}"
