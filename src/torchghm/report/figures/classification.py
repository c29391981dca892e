"""Figures of the classification gradient: where examples are, and what CE, focal and GHM-C make of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from torchghm.functional.examples import Density, Normalize
from torchghm.report.figures.palette import LOSS_LABELS, axes_for, color, literal, log_axis, style_axes
from torchghm.report.gradient_table import (
    all_counts,
    cell_centres,
    counts_array,
    equal_total,
    focal_gradient_norm,
    harmonizing_weights,
    region_counts,
)
from torchghm.results.arrays import Array

MAX_WEIGHT = 1.0
"""The cap that `torchghm.GHMCLoss` and `GHMRLoss` have unless told otherwise."""


def plot_gradient_norm_distribution(
    counts: Mapping[str, ArrayLike], *, bars: int = 50, xlabel: str = "gradient norm g", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw how many examples have which gradient norm, on a logarithmic scale.

    Arguments:
        counts: name -> counts over equal cells of g in [0, 1], [n]; the first is filled, the others are lines.
        bars: number of bars, at most n.
        xlabel: label of the axis of g.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if `counts` is empty, or counts are negative or not finite.

    Source: GHM paper, section 3.1 (the distribution of gradient norm of a converged model).

    Examples:
        >>> fig, ax = plot_gradient_norm_distribution({"negatives": [900, 90, 9], "positives": [1, 2, 4]})
        >>> ax.get_yscale()
        'log'
    """
    if not counts:
        raise ValueError("Expected argument `counts` to name at least one group of examples, but got none")
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
    style_axes(ax, xlabel, "examples (log)")
    return fig, ax


def plot_reweighted_classification(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    bins: int = 30,
    max_weight: float | None = MAX_WEIGHT,
    normalize: Normalize = "positives",
    density: Density = "regions",
    gamma: float = 2.0,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw the re-weighted gradient of CE, focal and GHM-C against the gradient norm g, as these examples make them.

    CE: g. Focal: `g^gamma (g - gamma (1-g) log(1-g))`, its alpha left out. GHM-C: `beta(g) g` by its options, and as
    published without a cap; undrawn where a region is empty. Each is scaled so that its sum over all these examples
    is that of CE; the vertical axis is logarithmic.

    Arguments:
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

    Examples:
        >>> fig, ax = plot_reweighted_classification([0] * 9 + [5], [90] + [1] * 9, bins=10)
        >>> [line.get_label() for line in ax.get_lines()]
        ['CE', 'focal', 'GHM-C', 'GHM-C as published']
    """
    counts = all_counts(positive, negative)
    g = cell_centres(counts.size)
    ghmc = harmonizing_weights(counts, bins, max_weight, normalize, density, float(np.sum(positive)))
    curves = {
        "ce": g,
        "focal": equal_total(focal_gradient_norm(g, gamma), g, counts),
        "ghmc": equal_total(ghmc * g, g, counts),
        "ghmc_published": equal_total(harmonizing_weights(counts, bins) * g, g, counts),
    }
    fig, ax = axes_for(ax)
    draw_reweighted(ax, g, curves)
    style_axes(ax, "gradient norm g of the cross entropy", "re-weighted gradient (log)")
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
