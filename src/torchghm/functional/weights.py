"""The harmonizing weight beta = N / GD(g): from a table of densities to a table of weights. Section 3.2."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_harmonizing
from torchghm.functional.density import density_table, gradient_density
from torchghm.functional.examples import Density, Normalize

EXAMPLES_PER_POSITIVE = 10.0
"""c, how many examples a positive a region may count for with ``normalize="positives"``.

Chosen by fine-tuning: benchmarks/results/accuracy/2026-11-28-reference.md.
"""


def weight_table(
    fractions: Tensor,
    batch_fractions: Tensor,
    *,
    bins: int,
    normalize: Normalize = "occupied",
    max_weight: float | None = None,
    positive_fraction: Tensor | None = None,
) -> Tensor:
    """Harmonizing weight of every region, beta_j = reference / R_j, capped.

    Arguments:
        fractions: fraction of the examples in each region, [M] or [K], as the density is to be seen (an EMA, say).
        batch_fractions: the same of this batch alone; it sets the normaliser.
        bins: M, the number of unit regions.
        normalize: what a region's examples R_j are measured against. ``"positives"``: c n_pos, with c of
            `EXAMPLES_PER_POSITIVE` and n_pos positives, so that with a cap of 1 no region counts for more.
            ``"regions"``: N / M, the paper's N / GD, 1 where g is spread evenly over [0, 1]. ``"occupied"`` also
            divides by the occupied share of [0, 1] (for unit regions: occupied regions / M), so that the sum of beta
            over the batch is N where ``fractions`` are the batch's own.
        max_weight: cap of beta, None for none. The others are not raised in return.
        positive_fraction: for ``"positives"``: the positives as a fraction of the examples, a scalar.

    Returns:
        beta shaped like ``fractions``; 0 for a region that no example has been in.
    """
    beta = inverse(density_table(fractions, bins))
    if normalize == "occupied":
        occupied_share = torch.dot(batch_fractions, inverse(density_table(batch_fractions, bins)))
        beta = beta * inverse(occupied_share)
    elif normalize == "positives":
        assert positive_fraction is not None
        beta = beta * (EXAMPLES_PER_POSITIVE * bins * positive_fraction)
    return beta if max_weight is None else beta.clamp(max=max_weight)


def harmonizing_weights(
    gradient_norm: Tensor,
    weight: Tensor | None = None,
    *,
    bins: int = 30,
    density: Density = "regions",
    normalize: Normalize = "occupied",
    max_weight: float | None = None,
    positives: Tensor | float | None = None,
) -> Tensor:
    """Harmonizing weight of every example, beta_i = N / GD(g_i) (equation 6), or c M n_pos / GD(g_i).

    Arguments:
        gradient_norm: g in [0, 1], any shape; NaN is no example.
        weight: None or non-negative numbers that broadcast to ``gradient_norm``; N is their sum.
        bins: M, the number of unit regions, at least 1.
        density: ``"regions"`` or ``"exact"``, see `gradient_density`.
        normalize: ``"occupied"`` scales so that the (weighted) sum of beta is N; ``"regions"`` is the paper's;
            ``"positives"`` puts c n_pos in the place of N / M, the examples in a region of even spread, c being
            `EXAMPLES_PER_POSITIVE`.
        max_weight: cap of beta, None for none.
        positives: n_pos, the sum of the weights of positives, for ``normalize="positives"``; less than 1 counts as 1.

    Returns:
        beta shaped like ``gradient_norm``, float64 (float32 on devices without it); 0 where g is NaN.

    Examples:
        >>> harmonizing_weights(torch.tensor([0.1, 0.2, 0.3, 0.9]), bins=2)
        tensor([0.6667, 0.6667, 0.6667, 2.0000], dtype=torch.float64)
    """
    check_harmonizing(bins, density, normalize, max_weight, "propagate", "mean")
    examples_density = gradient_density(gradient_norm, weight, bins=bins, density=density)
    present = ~gradient_norm.isnan()
    amount = present.to(examples_density.dtype)
    if weight is not None:
        amount = torch.where(present, weight.to(amount.dtype).expand(amount.shape), 0.0)
    beta = inverse(examples_density.masked_fill(~present, 0.0))
    if normalize == "positives":
        beta = beta * EXAMPLES_PER_POSITIVE * bins * reference_positives(positives, beta)
    else:
        beta = beta * amount.sum() * (1 if normalize == "regions" else inverse((amount * beta).sum()))
    return beta if max_weight is None else beta.clamp(max=max_weight)


def reference_positives(positives: Tensor | float | None, like: Tensor) -> Tensor:
    """n_pos of ``normalize="positives"``, at least 1: without positives a region counts for c examples.

    Raises:
        ValueError: nobody said how many there are.
    """
    if positives is None:
        raise ValueError("Expected argument `positives` to be a number for normalize='positives', but got None.")
    return torch.as_tensor(positives, dtype=like.dtype, device=like.device).clamp(min=1.0)


def inverse(density: Tensor) -> Tensor:
    """1 / density, and 0 where nothing is."""
    return density.reciprocal().nan_to_num(posinf=0.0)
