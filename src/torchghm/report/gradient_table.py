"""Weights, re-weighted gradients and shares of the gradient, from counts of the gradient norm.

The tables of the paper's sections 3.2 to 3.4 on a histogram: `n` counts over equal cells of g in [0, 1]. A cell belongs
as a whole to the unit region that holds its centre, so with 1000 cells a region's edge is off by at most 0.0005.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from torchghm.functional import weights
from torchghm.functional.examples import Density, Normalize
from torchghm.results.arrays import Array


def counts_array(counts: ArrayLike, argument: str) -> Array:
    """Check counts over equal cells of g: one-dimensional, not empty, finite and not negative.

    Raises:
        ValueError: if they are not; `argument` is the name in the message.
    """
    array = np.asarray(counts, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"Expected argument `{argument}` to be a list of counts, but got shape {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"Expected argument `{argument}` to hold finite counts of at least 0, but got {array.min()}")
    return array


def all_counts(positive: ArrayLike, negative: ArrayLike) -> Array:
    """Return the counts of all examples, of at least one."""
    pos, neg = counts_array(positive, "positive"), counts_array(negative, "negative")
    if pos.shape != neg.shape:
        raise ValueError(f"Expected argument `negative` to have {pos.size} counts as `positive`, but got {neg.size}")
    if not (total := pos + neg).any():
        raise ValueError("Expected arguments `positive` and `negative` to count at least one example, but got none")
    return total


def cell_centres(n: int) -> Array:
    """Return the gradient norm at the centre of each of `n` equal cells of [0, 1]."""
    return (np.arange(n) + 0.5) / n


def region_of_cell(n: int, bins: int) -> NDArray[np.intp]:
    """Return the unit region, 0 to `bins - 1`, of each of `n` cells of [0, 1]."""
    if bins < 1:
        raise ValueError(f"Expected argument `bins` to be at least 1, but got {bins}")
    return np.minimum((cell_centres(n) * bins).astype(np.intp), bins - 1)


def region_counts(counts: Array, bins: int) -> Array:
    """Return the examples in each of `bins` unit regions, from counts over finer cells."""
    return np.bincount(region_of_cell(counts.size, bins), weights=counts, minlength=bins).astype(np.float64)


def harmonizing_weights(
    counts: Array,
    bins: int,
    max_weight: float | None = None,
    normalize: Normalize = "occupied",
    density: Density = "regions",
    positives: float | None = None,
) -> Array:
    """Return the harmonizing weight of each cell: `beta_j = 1 / (fraction_j * occupied regions)`, 0 in an empty region.

    Arguments:
        counts: examples in each of n cells of g, [n].
        bins: number of unit regions M.
        max_weight: cap of the weights, None for none.
        normalize, density, positives: as in `torchghm.functional.harmonizing_weights`.

    Returns:
        The weight of the cell's region, [n]; by occupied regions and without a cap, the sum of `counts * beta` is the
        number of examples.

    Source: GHM paper, section 3.3 (unit region approximation).

    Examples:
        >>> harmonizing_weights(np.array([3.0, 1.0, 0.0]), bins=3)
        array([0.66666667, 2.        , 0.        ])
    """
    beta = weights.harmonizing_weights(
        torch.from_numpy(cell_centres(counts.size)),
        torch.from_numpy(counts),
        bins=bins,
        density=density,
        normalize=normalize,
        max_weight=max_weight,
        positives=positives,
    )
    return beta.numpy()


def focal_gradient_norm(g: Array, gamma: float = 2.0) -> Array:
    """Return the gradient norm of the focal loss, its alpha left out: `g^gamma * (g - gamma * (1 - g) * log(1 - g))`.

    With g = |p - p*| this is |d/dx| of `-(1 - p_t)^gamma * log p_t`, the same for positives and negatives.

    Arguments:
        g: gradient norm of the cross entropy, in [0, 1].
        gamma: focusing parameter, at least 0; 0 gives g.
    """
    easy = 1.0 - g
    log_easy = np.log(np.where(easy > 0, easy, 1.0))  # (1 - g) log(1 - g) is 0 at g = 1
    return np.asarray(g**gamma * (g - gamma * easy * log_easy))


def smooth_l1_gradient_norm(g: Array, mu: float = 0.02, delta: float = 1 / 9) -> Array:
    """Return the gradient norm of smooth L1, `min(|d| / delta, 1)`, where ASL1's is g in [0, 1); L1 with delta 0."""
    residual = residual_of(g, mu)
    return np.asarray(np.minimum(residual / delta, 1.0)) if delta > 0 else np.ones_like(residual)


def residual_of(g: Array, mu: float) -> Array:
    """Return the residual |d| where ASL1 has the gradient norm g: `mu * g / sqrt(1 - g^2)`, infinite at g = 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(mu * g / np.sqrt(1.0 - g * g))


def residuals_to_gradient_norm(edges: ArrayLike, counts: ArrayLike, mu: float, cells: int = 1000) -> Array:
    """Turn counts of |d| into counts of ASL1's gradient norm `g = |d| / sqrt(d^2 + mu^2)`.

    Arguments:
        edges: ascending edges of the cells of |d|, [n + 1], from 0.
        counts: residual coordinates in each cell, [n]; spread evenly within it.
        mu: ASL1's parameter, above 0, in the unit of the residuals.
        cells: number of equal cells of g.

    Returns:
        Counts over the cells of g, [cells]; their sum is that of `counts`.
    """
    of_residual = counts_array(counts, "counts")
    at = np.asarray(edges, dtype=np.float64)
    if at.shape != (of_residual.size + 1,) or not (np.diff(at) > 0).all():
        raise ValueError(
            f"Expected argument `edges` to be {of_residual.size + 1} ascending numbers, but got shape {at.shape}"
        )
    if not mu > 0:
        raise ValueError(f"Expected argument `mu` to be above 0, but got {mu}")
    below = np.concatenate([[0.0], np.cumsum(of_residual)])
    # Beyond the last edge the cumulative count stays at the total, so g = 1 (infinite |d|) takes all that is left.
    return np.diff(np.interp(residual_of(np.linspace(0.0, 1.0, cells + 1), mu), at, below))


def equal_total(gradient: Array, reference: Array, counts: Array) -> Array:
    """Scale a gradient to the reference's sum over all examples: `sum(n * gradient) = sum(n * reference)`."""
    total = float(counts @ gradient)
    return gradient * (float(counts @ reference) / total) if total > 0 else gradient


def effective_examples(gradient: Array, counts: Array) -> float:
    """Return the effective number of examples (Kish): `(sum n |grad|)^2 / sum n |grad|^2`."""
    square = float(counts @ (gradient * gradient))
    return float(counts @ gradient) ** 2 / square if square > 0 else 0.0
