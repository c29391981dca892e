"""The harmonizing weight beta = N / GD(g): from a table of densities to a table of weights. Section 3.2."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_harmonizing
from torchghm.functional.density import density_table, gradient_density
from torchghm.functional.examples import Density, Normalize


def weight_table(
    fractions: Tensor,
    batch_fractions: Tensor,
    *,
    bins: int,
    normalize: Normalize = "occupied",
    max_weight: float | None = None,
) -> Tensor:
    """Harmonizing weight of every region, beta_j = N / GD_j, normalised and capped.

    Arguments:
        fractions: fraction of the examples in each region, [M] or [K], as the density is to be seen (an EMA, say).
        batch_fractions: the same of this batch alone; it sets the normaliser.
        bins: M, the number of unit regions.
        normalize: ``"regions"`` is the paper's N / GD: 1 where g is spread evenly over [0, 1].
            ``"occupied"`` divides by the occupied share of [0, 1] (for unit regions: occupied regions / M), so that
            the sum of beta over the batch is N where ``fractions`` are the batch's own.
        max_weight: cap of beta, None for none. The others are not raised in return.

    Returns:
        beta shaped like ``fractions``; 0 for a region that no example has been in.
    """
    beta = inverse(density_table(fractions, bins))
    if normalize == "occupied":
        occupied_share = torch.dot(batch_fractions, inverse(density_table(batch_fractions, bins)))
        beta = beta * inverse(occupied_share)
    return beta if max_weight is None else beta.clamp(max=max_weight)


def harmonizing_weights(
    gradient_norm: Tensor,
    weight: Tensor | None = None,
    *,
    bins: int = 30,
    density: Density = "regions",
    normalize: Normalize = "occupied",
    max_weight: float | None = None,
) -> Tensor:
    """Harmonizing weight of every example, beta_i = N / GD(g_i) (equation 6).

    Arguments:
        gradient_norm: g in [0, 1], any shape; NaN is no example.
        weight: None or non-negative numbers that broadcast to ``gradient_norm``; N is their sum.
        bins: M, the number of unit regions, at least 1.
        density: ``"regions"`` or ``"exact"``, see `gradient_density`.
        normalize: ``"occupied"`` scales so that the (weighted) sum of beta is N; ``"regions"`` is the paper's.
        max_weight: cap of beta, None for none.

    Returns:
        beta shaped like ``gradient_norm``, float64 (float32 on devices without it); 0 where g is NaN.

    Example:
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
    beta = beta * amount.sum() * (1 if normalize == "regions" else inverse((amount * beta).sum()))
    return beta if max_weight is None else beta.clamp(max=max_weight)


def inverse(density: Tensor) -> Tensor:
    """1 / density, and 0 where nothing is."""
    return density.reciprocal().nan_to_num(posinf=0.0)
