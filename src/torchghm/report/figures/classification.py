"""Figures of the classification gradient: where examples are, and what CE, focal and GHM-C make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from torchghm.functional.examples import Density, Normalize
from torchghm.report.figures.palette import LOSS_LABELS, axes_for, color, dress, literal, log_axis
from torchghm.report.gradient_table import (
    Array,
    cell_centres,
    counts_array,
    effective_examples,
    equal_total,
    focal_gradient_norm,
    harmonizing_weights,
    region_counts,
)

MAX_WEIGHT = 1.0
"""The cap that `torchghm.GHMCLoss` and `GHMRLoss` have unless told otherwise."""


def plot_gradient_norm_distribution(
    counts: Mapping[str, ArrayLike], *, bars: int = 50, xlabel: str = "gradient norm g", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw how many examples have which gradient norm, on a logarithmic scale.

    Args:
        counts: name -> counts over equal cells of g in [0, 1], [n]; the first is filled, the others are lines.
        bars: number of bars, at most n.
        xlabel: label of the axis of g.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if `counts` is empty, or counts are negative or not finite.

    Source: GHM paper, section 3.1 (the distribution of gradient norm of a converged model).

    Example:
        >>> fig, ax = plot_gradient_norm_distribution({"negatives": [900, 90, 9], "positives": [1, 2, 4]})
        >>> ax.get_yscale()
        'log'
    """
    if not counts:
        raise ValueError("Expected argument `counts` to name at least one group of examples but got none")
    fig, ax = axes_for(ax)
    tallest = 1.0
    for index, (name, values) in enumerate(counts.items()):
        fine = counts_array(values, f"counts[{name!r}]")
        coarse = region_counts(fine, min(bars, fine.size))
        tallest = max(tallest, coarse.max())
        label, edges = f"{literal(name)} ({fine.sum():,.0f})", np.linspace(0, 1, coarse.size + 1)
        if index == 0:
            # A bar on a logarithmic scale has no foot at 0: it starts below one example.
            ax.stairs(coarse, edges, baseline=0.5, fill=True, color=color("crowd"), label=label)
        else:
            dash = ("-", "--", ":")[(index - 1) % 3]
            ax.stairs(coarse, edges, baseline=None, color=color("ink"), linewidth=1.8, linestyle=dash, label=label)
    ax.set(xlim=(0, 1), ylim=(0.5, tallest * 8))
    log_axis(ax)
    ax.legend(loc="upper center")
    dress(ax, xlabel, "examples (log)")
    return fig, ax


def plot_reweighted_classification(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    bins: int = 30,
    max_weight: float | None = MAX_WEIGHT,
    normalize: Normalize = "occupied",
    density: Density = "regions",
    gamma: float = 2.0,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw the re-weighted gradient of CE, focal and GHM-C against the gradient norm g, as these examples make them.

    CE: g. Focal: `g^gamma (g - gamma (1-g) log(1-g))`, its alpha left out. GHM-C: `beta(g) g` by its options, and as
    published without a cap; undrawn where a region is empty. Each is scaled so that its sum over all these examples
    is that of CE; the vertical axis is logarithmic.

    Args:
        positive: counts of positive examples over equal cells of g in [0, 1], [n].
        negative: the same of negative examples.
        bins: number of unit regions of GHM-C.
        max_weight, normalize, density: options of GHM-C, as in `torchghm.GHMCLoss`.
        gamma: focusing parameter of the focal loss.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if there is no example, or counts are malformed.

    Source: GHM paper, section 3.3 (reformulated gradient norm).

    Example:
        >>> fig, ax = plot_reweighted_classification([0] * 9 + [5], [90] + [1] * 9, bins=10)
        >>> [line.get_label() for line in ax.get_lines()]
        ['CE', 'focal', 'GHM-C', 'GHM-C as published']
    """
    counts = _total(positive, negative)
    g = cell_centres(counts.size)
    curves = {
        "ce": g,
        "focal": equal_total(focal_gradient_norm(g, gamma), g, counts),
        "ghmc": equal_total(harmonizing_weights(counts, bins, max_weight, normalize, density) * g, g, counts),
        "ghmc_published": equal_total(harmonizing_weights(counts, bins) * g, g, counts),
    }
    fig, ax = axes_for(ax)
    draw_reweighted(ax, g, curves)
    dress(ax, "gradient norm g of the cross entropy", "re-weighted gradient (log)")
    return fig, ax


def draw_reweighted(ax: Axes, g: Array, curves: Mapping[str, Array]) -> None:
    """Draw re-weighted gradients, loss name -> [n], on a logarithmic scale; the first (the identity) is dashed."""
    for name, curve in curves.items():
        drawn = np.where(curve > 0, curve, np.nan)
        identity = curve is g
        ax.plot(
            g, drawn, color=color(name), label=LOSS_LABELS[name], linestyle="--" if identity else "-", linewidth=2.0
        )
    top = max(np.nanmax(curve) for curve in curves.values())
    # Focal falls without bound towards g = 0; five decades show where it matters.
    ax.set(xlim=(0, 1), ylim=(top * 1e-5, top * 2))
    log_axis(ax)
    ax.legend(loc="lower right")


@dataclass(frozen=True)
class GradientShare:
    """Who carries a loss's gradient: the share of each unit region, of the positives, and how many examples share it.

    Args:
        regions: share of the sum of |gradient| by unit region, [bins], summing to 1.
        positives: share carried by the positives, in [0, 1].
        effective: effective number of examples, see `gradient_table.effective_examples`.
    """

    regions: Array
    positives: float
    effective: float


def gradient_shares(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    bins: int = 30,
    max_weight: float | None = MAX_WEIGHT,
    normalize: Normalize = "occupied",
    density: Density = "regions",
    gamma: float = 2.0,
    alpha: float = 0.25,
) -> dict[str, GradientShare]:
    """Share of the total |gradient| by region and by positives, for `ce`, `focal`, `ghmc` and `ghmc_published`.

    Args:
        positive: counts of positive examples over equal cells of g in [0, 1], [n].
        negative: the same of negative examples.
        bins: number of unit regions.
        max_weight, normalize, density: options of GHM-C, as in `torchghm.GHMCLoss`.
        gamma: focusing parameter of the focal loss.
        alpha: weight of the positives in the focal loss, the negatives have `1 - alpha`.

    Example:
        >>> shares = gradient_shares([0, 4], [96, 0], bins=2)
        >>> float(shares["ce"].positives), float(shares["ghmc_published"].positives)
        (0.1111111111111111, 0.75)
    """
    counts = _total(positive, negative)
    pos, neg = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    g = cell_centres(counts.size)
    focal = focal_gradient_norm(g, gamma)
    ghmc = harmonizing_weights(counts, bins, max_weight, normalize, density) * g
    published = harmonizing_weights(counts, bins) * g
    shares = {}
    for name, of_positive, of_negative in (
        ("ce", g, g),
        ("focal", alpha * focal, (1 - alpha) * focal),
        ("ghmc", ghmc, ghmc),
        ("ghmc_published", published, published),
    ):
        carried = pos * of_positive + neg * of_negative
        total = carried.sum()
        shares[name] = GradientShare(
            regions=region_counts(carried, bins) / total,
            positives=float(pos @ of_positive / total),
            effective=effective_examples(np.concatenate([of_positive, of_negative]), np.concatenate([pos, neg])),
        )
    return shares


def plot_gradient_share(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    bins: int = 30,
    max_weight: float | None = MAX_WEIGHT,
    normalize: Normalize = "occupied",
    density: Density = "regions",
    gamma: float = 2.0,
    alpha: float = 0.25,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw which share of a loss's total |gradient| each unit region carries, beside its share of the examples.

    Lines: share of the gradient for CE, focal and GHM-C, each summing to 1 over the regions; in the legend the part
    that positives carry. Grey: share of the examples. Both logarithmic: a line above the grey carries more than its
    examples' part. The published GHM-C's line is nearly level, its share is proportional to the mean g of the region,
    however few examples are in it; with the cap a region that is no crowd keeps its examples' part.

    Args:
        positive: counts of positive examples over equal cells of g in [0, 1], [n].
        negative: the same of negative examples.
        bins: number of unit regions.
        max_weight, normalize, density: options of GHM-C, as in `torchghm.GHMCLoss`.
        gamma: focusing parameter of the focal loss.
        alpha: weight of the positives in the focal loss.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if there is no example, or counts are malformed.

    Source: GHM paper, section 3.3; the shares are ours.

    Example:
        >>> fig, ax = plot_gradient_share([0] * 9 + [5], [90] + [1] * 9, bins=10)
        >>> ax.get_ylabel()
        'share (log)'
    """
    shares = gradient_shares(
        positive,
        negative,
        bins=bins,
        max_weight=max_weight,
        normalize=normalize,
        density=density,
        gamma=gamma,
        alpha=alpha,
    )
    of_examples = region_counts(_total(positive, negative), bins)
    of_examples = of_examples / of_examples.sum()
    fig, ax = axes_for(ax)
    edges = np.linspace(0, 1, bins + 1)
    # Ten times below the sparsest region's share of the examples, which must be seen to be small.
    floor = of_examples[of_examples > 0].min() / 10
    ax.stairs(of_examples, edges, baseline=floor, fill=True, color=color("crowd"), label="examples")
    for name, share in shares.items():
        ax.stairs(
            np.where(share.regions > 0, share.regions, np.nan),
            edges,
            baseline=None,
            color=color(name),
            label=f"{LOSS_LABELS[name]} ({share.positives:.0%})",
            linestyle="--" if name == "ce" else "-",
            linewidth=2.0,
        )
    ax.set(xlim=(0, 1), ylim=(floor, floor**-0.35))  # above 1 is room for the legend
    log_axis(ax)
    ax.set_yticks([tick for tick in ax.get_yticks() if floor <= tick <= 1])
    ax.legend(loc="upper center", ncols=2, title="in brackets: the positives' part")
    dress(ax, "gradient norm g of the cross entropy", "share (log)")
    return fig, ax


def _total(positive: ArrayLike, negative: ArrayLike) -> Array:
    """Counts of all examples, of at least one."""
    pos, neg = counts_array(positive, "positive"), counts_array(negative, "negative")
    if pos.shape != neg.shape:
        raise ValueError(f"Expected argument `negative` to have {pos.size} counts as `positive` but got {neg.size}")
    if not (total := pos + neg).any():
        raise ValueError("Expected arguments `positive` and `negative` to count at least one example but got none")
    return total
