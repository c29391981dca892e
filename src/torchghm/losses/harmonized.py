"""What GHM-C and GHM-R share as modules: histogram in, weight table out, diagnostics kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from torchghm.functional.arguments import check_choice, check_harmonizing
from torchghm.functional.density import region_count
from torchghm.functional.examples import Density, Nonfinite, Normalize, Reduction, nonfinite_error
from torchghm.functional.weights import inverse, weight_table
from torchghm.kernels.ops import BACKENDS, Backend, fused_step, resolve_backend, runs_whole
from torchghm.losses.density_state import DensityEstimate, DensityState
from torchghm.losses.diagnostics import Diagnostics

if TYPE_CHECKING:  # Numba may not be installed
    from torchghm.kernels.cpu.fused_step import Harmonizing


class HarmonizedLoss(nn.Module):
    """Base of `GHMCLoss` and `GHMRLoss`: their options, their state, and the step between the two passes."""

    def __init__(
        self,
        bins: int,
        momentum: float,
        *,
        density: Density,
        normalize: Normalize,
        max_weight: float | None,
        sync: bool,
        nonfinite: Nonfinite,
        reduction: Reduction,
        backend: Backend,
    ) -> None:
        super().__init__()
        check_harmonizing(bins, density, normalize, max_weight, nonfinite, reduction)
        check_choice("backend", backend, BACKENDS)
        self.bins = bins
        self.density = density
        self.normalize = normalize
        self.max_weight = max_weight
        self.nonfinite = nonfinite
        self.reduction = reduction
        self.backend = backend
        self._regions = region_count(bins, density)
        self.density_state = DensityState(self._regions, momentum, sync, positives=normalize == "positives")
        self._diagnostics: Diagnostics | None = None
        self._last_total: Tensor | None = None
        self._record: Tensor | None = None  # of `fused_step`: the two above, not read yet

    @property
    def diagnostics(self) -> Diagnostics | None:
        """What the last call saw; None before the first."""
        self._read_record()
        return self._diagnostics

    @property
    def last_total(self) -> Tensor | None:
        """What the last call's mean is over (of all ranks): N, or the number of positives, of which 0 count as 1."""
        self._read_record()
        return self._last_total

    def _keep(self, loss: Tensor, record: Tensor) -> Tensor:
        """Keep the record for whoever asks what the call saw, and return the loss."""
        self.__dict__["_record"] = record  # a module's own way to set a tensor takes as long as a kernel
        return loss

    def _read_record(self) -> None:
        record, self._record = self._record, None
        if record is not None:
            parts = fused_step().read_record(record, self._regions)
            estimate = DensityEstimate(parts.fractions, parts.batch_fractions, parts.examples)
            self._last_total = parts.total
            self._observe(estimate, parts.beta, parts.sums[:3], parts.histogram)

    @property
    def momentum(self) -> float:
        """Momentum of the moving average over iterations, in [0, 1)."""
        return self.density_state.momentum

    @property
    def _has_positives(self) -> bool:
        """Whether positives are defined."""
        return False

    @property
    def _leave_out_nonfinite(self) -> bool:
        return self.nonfinite == "ignore"

    @torch.no_grad()
    def _weigh(
        self,
        histogram: Tensor,
        dtype: torch.dtype,
        positives: Tensor | None = None,
        *,
        mean_over_positives: bool = False,
    ) -> tuple[DensityEstimate, Tensor, Tensor]:
        """Between the passes: the estimate, beta of every region, and what pass 2 multiplies by.

        The mean is over all examples, or over ``positives`` and then over at least 1. A data-parallel wrapper averages
        the gradients of its ranks, so that with N summed over ranks each of them returns its sum times their number:
        the average is then the loss of the joint batch.
        """
        regions = self._regions
        if self.nonfinite == "raise":
            nonfinite = int(histogram[regions])
            if nonfinite:
                raise nonfinite_error(nonfinite)
        ranks = self.density_state.ranks if self.training else 1
        counts = histogram[:regions]
        if ranks > 1:
            joint = counts if positives is None else torch.cat([counts, positives[None]])
            joint = self.density_state.of_all_ranks(joint)
            counts, positives = joint[:regions], None if positives is None else joint[regions]
        estimate: DensityEstimate = self.density_state(counts, positives)
        self._last_total = total = estimate.examples
        if mean_over_positives and positives is not None:
            self._last_total, total = positives, positives.clamp(min=1)
        beta = weight_table(
            estimate.fractions,
            estimate.batch_fractions,
            bins=self.bins,
            normalize=self.normalize,
            max_weight=self.max_weight,
            positive_fraction=estimate.positive_fraction,
        )
        table = beta
        if self.reduction == "mean":
            table = beta * inverse(total if ranks == 1 else total / ranks)
        # A region that was last seen very long ago has a weight beyond all numbers, but no example here: 0, not NaN.
        return estimate, beta, table.to(dtype).clamp(max=torch.finfo(dtype).max)

    def _harmonizing(self, inputs: Tensor) -> Harmonizing | None:
        """What `torchghm.kernels.cpu.fused_step` is told, None where it can't do all of it at once."""
        if self.reduction == "none" or not runs_whole(inputs, self.backend):
            return None
        state = cast(DensityState, self._modules["density_state"])  # an attribute takes ten times as long
        buffers = state.addressable()
        if buffers is None:
            return None
        harmonizing: Harmonizing = fused_step().Harmonizing(
            self.bins,
            self.normalize,
            self.max_weight,
            self.reduction == "mean",
            self.nonfinite == "ignore",
            self.nonfinite == "raise",
            self.training,
            *buffers,
            state.momentum,
            state.ranks if self.training else 1,
            state.of_all_ranks,
        )
        return harmonizing

    def _check_weights(self, histogram: Tensor) -> None:
        """Refuse weights that leave a region with less than nothing."""
        least = float(histogram[: self._regions].min())
        if least < 0:
            raise ValueError(
                f"Expected argument `weight` to hold numbers of at least 0, but those of a region add up to {least:g}."
            )

    def _counting_backend(self, inputs: Tensor) -> Backend:
        """Of pass 1: unreduced losses come from plain torch, and both passes have to agree on every edge."""
        if self.reduction != "none":
            return self.backend
        resolve_backend(self.backend, inputs)  # one that can't run is still an error
        return "eager"

    def _observe(self, estimate: DensityEstimate, beta: Tensor, sums: Tensor, histogram: Tensor) -> None:
        self._record = None
        self._diagnostics = Diagnostics(estimate, beta, sums.detach(), histogram, self.bins, self._has_positives)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Also read the counts that mmdetection's GHMC and GHMR save (``acc_sum``, ``edges``)."""
        state = cast(dict[str, Any], state_dict)
        counts = state.pop(prefix + "acc_sum", None)
        if state.pop(prefix + "edges", None) is not None and counts is None:  # saved with momentum 0: no memory
            counts = torch.zeros(self.bins)
        if counts is not None:
            total = counts.sum()
            state[prefix + "density_state.fractions"] = counts.float() / total.where(total > 0, 1.0)
            state[prefix + "density_state.seen"] = (total > 0).float()
        super()._load_from_state_dict(state, prefix, *args)

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return (
            f"bins={self.bins}, density={self.density!r}, normalize={self.normalize!r}, "
            f"max_weight={self.max_weight}, nonfinite={self.nonfinite!r}, reduction={self.reduction!r}"
        )
