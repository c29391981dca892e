"""What GHM-C and GHM-R share as modules: histogram in, weight table out, diagnostics kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from torchghm.functional.arguments import check_choice, check_harmonizing
from torchghm.functional.density import region_count
from torchghm.functional.examples import Density, Nonfinite, Normalize, Reduction, nonfinite_error
from torchghm.functional.weights import inverse, weight_table
from torchghm.kernels.ops import BACKENDS, Backend, between_in_one_call, resolve_backend
from torchghm.losses.density_state import DensityEstimate, DensityState
from torchghm.losses.diagnostics import Diagnostics


class HarmonizedLoss(nn.Module):
    """Base of `GHMCLoss` and `GHMRLoss`: their options, their state, and the step between the two passes."""

    diagnostics: Diagnostics | None
    """What the last call saw; None before the first."""

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
        self.density_state = DensityState(self._regions, momentum, sync)
        self.diagnostics = None
        self.last_total: Tensor | None = None
        """What the last call's mean is over (of all ranks): N, or the number of positives, of which 0 count as 1."""

    @property
    def momentum(self) -> float:
        """Momentum of the moving average over iterations, in [0, 1)."""
        return self.density_state.momentum

    @property
    def _leave_out_nonfinite(self) -> bool:
        return self.nonfinite == "ignore"

    def _weigh(
        self, histogram: Tensor, dtype: torch.dtype, positives: Tensor | None = None
    ) -> tuple[DensityEstimate, Tensor, Tensor]:
        """Between the passes: the estimate, beta of every region, and what pass 2 multiplies by.

        The mean is over ``positives``, where their number is given, and at least 1. A data-parallel wrapper averages
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
        if between_in_one_call(counts, self.backend):
            return self._weigh_in_one_call(counts, dtype, positives, ranks)
        return self._weigh_in_torch(counts, dtype, positives, ranks)

    @torch.no_grad()
    def _weigh_in_torch(
        self, counts: Tensor, dtype: torch.dtype, positives: Tensor | None, ranks: int
    ) -> tuple[DensityEstimate, Tensor, Tensor]:
        """What follows the sum over ranks in `_weigh`."""
        estimate: DensityEstimate = self.density_state(counts)
        self.last_total = estimate.examples if positives is None else positives
        total = estimate.examples if positives is None else positives.clamp(min=1)
        beta = weight_table(
            estimate.fractions,
            estimate.batch_fractions,
            bins=self.bins,
            normalize=self.normalize,
            max_weight=self.max_weight,
        )
        table = beta
        if self.reduction == "mean":
            table = beta * inverse(total if ranks == 1 else total / ranks)
        # A region that was last seen very long ago has a weight beyond all numbers, but no example here: 0, not NaN.
        return estimate, beta, table.to(dtype).clamp(max=torch.finfo(dtype).max)

    def _weigh_in_one_call(
        self, counts: Tensor, dtype: torch.dtype, positives: Tensor | None, ranks: int
    ) -> tuple[DensityEstimate, Tensor, Tensor]:
        """The same on a CPU."""
        from torchghm.kernels.cpu_between import between_passes

        state = self.density_state
        between = between_passes(
            counts,
            state.fractions,
            state.seen,
            momentum=state.momentum,
            training=self.training,
            bins=self.bins,
            occupied=self.normalize == "occupied",
            max_weight=self.max_weight,
            total=positives,
            mean=self.reduction == "mean",
            ranks=ranks,
            largest=torch.finfo(dtype).max,
        )
        self.last_total = between.examples if positives is None else positives
        estimate = DensityEstimate(between.fractions, between.batch_fractions, between.examples)
        return estimate, between.beta, between.table

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

    def _observe(
        self, estimate: DensityEstimate, beta: Tensor, sums: Tensor, histogram: Tensor, *, has_positives: bool
    ) -> None:
        self.diagnostics = Diagnostics(estimate, beta, sums.detach(), histogram, self.bins, has_positives)

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
