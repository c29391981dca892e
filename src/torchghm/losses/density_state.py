"""The only mutable state of a loss: how its examples were spread over the regions, averaged over iterations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from torchghm.functional.arguments import check_flag, check_number
from torchghm.functional.weights import inverse
from torchghm.losses.float32_buffers import Float32Buffers
from torchghm.losses.ranks import rank_count, sum_over_ranks


class DensityEstimate(NamedTuple):
    """A batch's histogram, and the same as seen over iterations."""

    fractions: Tensor
    """[regions], fraction of the examples in each region, averaged over iterations and bias-corrected."""
    batch_fractions: Tensor
    """[regions], the same of this batch alone (of all ranks)."""
    examples: Tensor
    """N, the sum of the weights of this batch's valid examples (of all ranks)."""


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
    """

    fractions: Tensor
    seen: Tensor

    def __init__(self, regions: int, momentum: float, sync: bool = True) -> None:
        super().__init__()
        check_number("momentum", momentum, "a number in [0, 1)", ok=lambda value: 0 <= value < 1)
        check_flag("sync", sync)
        self.regions = regions
        self.momentum = momentum
        self.sync = sync
        self.register_buffer("fractions", torch.zeros(regions))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, histogram: Tensor) -> DensityEstimate:
        """Take in the histogram [regions] of one batch, of all ranks, and return the densities to weigh it with.

        In evaluation mode nothing is stored: the batch is seen as if it came next.
        """
        examples = histogram.sum()
        scale = inverse(examples)  # 0 of no examples, and where a weight is not finite
        batch = (histogram * scale).nan_to_num_()
        present = (scale > 0).to(self.fractions.dtype)
        if self.momentum == 0:
            # At once, and in the histogram's float64.
            if self.training:
                self._move(batch.to(self.fractions.dtype), present, present)
            return DensityEstimate(batch, batch, examples)
        step = present * (1 - self.momentum)  # else the batch says nothing
        if self.training:
            self._move(batch.to(self.fractions.dtype), present, step)
            fractions, seen = self.fractions, self.seen
        else:
            fractions = self.fractions.lerp(batch.to(self.fractions.dtype), step)
            seen = self.seen.lerp(present, step)
        return DensityEstimate(fractions * inverse(seen), batch, examples)

    def of_all_ranks(self, counts: Tensor) -> Tensor:
        """Counts of any shape, in training summed over the ranks; evaluation sends nothing."""
        return sum_over_ranks(counts) if self.training and self.ranks > 1 else counts

    @property
    def ranks(self) -> int:
        """Processes that a training batch is spread over, 1 without ``torch.distributed`` or with ``sync=False``."""
        return rank_count() if self.sync else 1

    def addressable(self) -> tuple[Tensor, Tensor] | None:
        """The buffers, if a kernel that is told addresses may move them: float32, side by side, on a CPU.

        They are, unless others were assigned: by ``load_state_dict(assign=True)``, say.
        """
        buffers = cast(dict[str, Tensor], self._buffers)  # an attribute takes ten times as long
        fractions, seen = buffers["fractions"], buffers["seen"]
        if fractions.numel() != self.regions or seen.numel() != 1:
            return None
        return (fractions, seen) if _is_packed_float32(fractions) and _is_packed_float32(seen) else None

    @torch.no_grad()
    def reset(self) -> None:
        """Forget every batch."""
        self.fractions.zero_()
        self.seen.zero_()

    @torch.no_grad()
    def _move(self, batch: Tensor, present: Tensor, step: Tensor) -> None:
        """Move the averages towards a batch; ``step`` is 0 where it had no example."""
        # In place: data-parallel wrappers and captured graphs hold on to the buffers themselves.
        self.fractions.lerp_(batch, step)
        self.seen.lerp_(present, step)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        error_messages = cast(list[str], args[-1])
        saved = state_dict.get(prefix + "fractions")
        if saved is not None and saved.shape != self.fractions.shape:
            error_messages.append(
                f"The state {prefix}fractions was saved with {saved.numel()} regions, but this loss has "
                f"{self.fractions.numel()}: build it with the same `bins` and `density`, or drop the keys "
                f"{prefix}fractions and {prefix}seen to start its average anew."
            )
            return
        super()._load_from_state_dict(cast(dict[str, Any], state_dict), prefix, *args)

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return f"regions={self.fractions.numel()}, momentum={self.momentum}, sync={self.sync}"


def _is_packed_float32(buffer: Tensor) -> bool:
    return buffer.dtype is torch.float32 and buffer.is_cpu and buffer.is_contiguous() and type(buffer) is Tensor
