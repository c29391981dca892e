"""A step by the two passes around a small table, on any device and by any backend."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.examples import compute_dtype
from torchghm.functional.weights import inverse, weight_table
from torchghm.losses.state.density_state import DensityEstimate, DensityState
from torchghm.losses.step import (
    Batch,
    HarmonizingOptions,
    Memory,
    Observation,
    ResidualBatch,
    StepRecord,
    find_refusal,
)


def two_pass(batch: Batch, options: HarmonizingOptions, memory: Memory) -> StepRecord:
    """Count gradient norms, turn the histogram into a table of weights, and weigh every example with it.

    Arguments:
        batch: the examples.
        options: how they are harmonized.
        memory: moved in training, unless something is refused.

    Returns:
        The loss and what the step saw, or the error.
    """
    scale = averages = None
    if memory.residual_scale is not None and isinstance(batch, ResidualBatch):
        scale, averages = memory.residual_scale.look(batch.inputs.detach(), batch.weight)
        batch = batch._replace(inputs=batch.inputs / scale)  # ASL1_mu(d) = mu ASL1_1(d / mu), and g is the same
    histogram = batch.histogram(memory.density.regions, options)
    refusal = find_refusal(histogram, batch, options)
    if refusal is not None:
        return StepRecord(None, None, refusal)
    if memory.residual_scale is not None and averages is not None:
        memory.residual_scale.state.keep(averages)
    estimate, positives = _estimate_density(histogram, batch.positives(options), memory.density)
    total = divisor = estimate.examples
    if positives is not None and options.average == "positives":
        total, divisor = positives, positives.clamp(min=1)
    beta, table = _weigh_regions(estimate, divisor, options, memory.density)
    # A region that was last seen very long ago has a weight beyond all numbers, but no example here: 0, not NaN.
    dtype = compute_dtype(batch.inputs)
    loss, sums = batch.weighed_loss(table.to(dtype).clamp(max=torch.finfo(dtype).max), options)
    if scale is not None:
        loss = loss * scale
        sums = torch.cat([sums[:1] * scale, sums[1:]])
    return StepRecord(loss, Observation(estimate, beta, sums.detach(), histogram, total))


@torch.no_grad()
def _estimate_density(
    histogram: Tensor, positives: Tensor | None, state: DensityState
) -> tuple[DensityEstimate, Tensor | None]:
    """Return the density over ranks and iterations, and the number of positives over ranks."""
    counts = histogram[: state.regions]
    if state.training and state.ranks > 1:
        joint = state.of_all_ranks(counts if positives is None else torch.cat([counts, positives[None]]))
        counts, positives = joint[: state.regions], None if positives is None else joint[state.regions]
    estimate: DensityEstimate = state(counts, positives)
    return estimate, positives


@torch.no_grad()
def _weigh_regions(
    estimate: DensityEstimate, divisor: Tensor, options: HarmonizingOptions, state: DensityState
) -> tuple[Tensor, Tensor]:
    """Return the beta of every region, and what pass 2 multiplies by.

    A data-parallel wrapper averages the gradients of its ranks. With a divisor over all ranks each of them returns its
    sum times their number: the average is then the loss of the joint batch.
    """
    beta = weight_table(
        estimate.fractions,
        estimate.batch_fractions,
        bins=options.bins,
        normalize=options.normalize,
        max_weight=options.max_weight,
        positive_fraction=estimate.positive_fraction,
    )
    if options.reduction != "mean":
        return beta, beta
    ranks = state.ranks if state.training else 1
    return beta, beta * inverse(divisor if ranks == 1 else divisor / ranks)
