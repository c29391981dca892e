"""Figures of the box regression: the curves of smooth L1 and ASL1, and the gradient as GHM-R re-weights it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import ArrayLike

from torchghm.functional.examples import Density, Normalize
from torchghm.report.figures.classification import MAX_WEIGHT, draw_reweighted
from torchghm.report.figures.palette import LOSS_LABELS, axes_for, color, style_axes
from torchghm.report.gradient_table import (
    cell_centres,
    equal_total,
    harmonizing_weights,
    residual_of,
    residuals_to_gradient_norm,
    smooth_l1_gradient_norm,
)


def plot_reweighted_regression(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    mu: float = 0.02,
    delta: float = 1 / 9,
    bins: int = 10,
    max_weight: float | None = MAX_WEIGHT,
    normalize: Normalize = "occupied",
    density: Density = "regions",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw the re-weighted gradient of smooth L1, ASL1 and GHM-R against ASL1's gradient norm g.

    ASL1: g. Smooth L1: `min(|d| / delta, 1)`. GHM-R: `beta(g) g` as its options make it, and as published without
    a cap; undrawn where a region is empty. Each is scaled so that its sum over all these residuals is that of ASL1.
    The upper axis gives the residual |d| that belongs to g.

    Arguments:
        edges: ascending edges of the cells of the absolute residual |d|, [n + 1], from 0.
        counts: residual coordinates in each cell, [n].
        mu: ASL1's parameter, above 0.
        delta: residual where smooth L1 turns from a parabola to a line, at least 0 (L1).
        bins: number of unit regions of GHM-R.
        max_weight, normalize, density: options of GHM-R, as in `torchghm.GHMRLoss`.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if there is no residual, or counts or edges are malformed.

    Source: GHM paper, section 3.4.

    Examples:
        >>> fig, ax = plot_reweighted_regression([0, 0.01, 0.1, 1], [5, 3, 1], bins=3)
        >>> [line.get_label() for line in ax.get_lines()]
        ['ASL1', 'smooth L1', 'GHM-R', 'GHM-R as published']
    """
    of_g = residuals_to_gradient_norm(edges, counts, mu)
    if not of_g.any():
        raise ValueError("Expected argument `counts` to count at least one residual, but got none")
    g = cell_centres(of_g.size)
    curves = {
        "asl1": g,
        "smooth_l1": equal_total(smooth_l1_gradient_norm(g, mu, delta), g, of_g),
        "ghmr": equal_total(harmonizing_weights(of_g, bins, max_weight, normalize, density) * g, g, of_g),
        "ghmr_published": equal_total(harmonizing_weights(of_g, bins) * g, g, of_g),
    }
    fig, ax = axes_for(ax)
    draw_reweighted(ax, g, curves)
    ax.set_ylim(bottom=max(curve.max() for curve in curves.values()) * 1e-3)
    style_axes(ax, f"gradient norm g of ASL1 (μ = {mu:g})", "re-weighted gradient (log)")
    residual = ax.secondary_xaxis("top", functions=(lambda x: x, lambda x: x))
    marked = mu * np.array([0.25, 0.5, 1.0, 2.0, 5.0])
    residual.xaxis.set_major_locator(FixedLocator((marked / np.hypot(marked, mu)).tolist()))
    residual.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{residual_of(np.array(at), mu):.2g}"))
    residual.set_xlabel("residual |d|", color=color("muted"), fontsize=9.5)
    residual.tick_params(color=color("muted"), labelcolor=color("muted"), labelsize=9)
    residual.spines["top"].set_visible(False)
    return fig, ax


def plot_regression_losses(*, mu: float = 0.02, delta: float = 1 / 9, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw smooth L1 and ASL1 over the residual d (solid) and their gradient norms (dashed), on one scale.

    Smooth L1: `d^2 / (2 delta)` below delta, `|d| - delta / 2` above. ASL1: `sqrt(d^2 + mu^2) - mu`.

    Arguments:
        mu: ASL1's parameter, above 0.
        delta: residual where smooth L1 turns from a parabola to a line, at least 0 (L1).
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if `mu` is not above 0, or `delta` is below.

    Source: GHM paper, section 3.4 (ASL1).

    Examples:
        >>> fig, ax = plot_regression_losses(mu=0.05)
        >>> len(ax.get_lines())
        5
    """
    if not 0 < mu < float("inf"):
        raise ValueError(f"Expected argument `mu` to be above 0 and finite, but got {mu}")
    if not 0 <= delta < float("inf"):
        raise ValueError(f"Expected argument `delta` to be at least 0 and finite, but got {delta}")
    fig, ax = axes_for(ax)
    d = np.linspace(0.0, 4 * max(delta, mu), 401)
    smooth = np.where(d < delta, d * d / (2 * (delta or 1.0)), d - delta / 2)
    root = np.hypot(d, mu)
    for name, setting, loss, gradient in (
        ("smooth_l1", f"δ = {delta:.3g}", smooth, np.minimum(d / delta, 1.0) if delta else np.ones_like(d)),
        ("asl1", f"μ = {mu:.3g}", root - mu, d / root),
    ):
        label = LOSS_LABELS[name]
        ax.plot(d, loss, color=color(name), linewidth=2.2, label=f"{label}, {setting}")
        ax.plot(d, gradient, color=color(name), linewidth=1.6, linestyle="--", label=f"{label}: gradient norm")
    ax.axvline(delta, color=color("muted"), linewidth=1.0, linestyle=":")
    ax.text(delta, 1.12, " δ: smooth L1's gradient is 1 from here on", color=color("muted"), fontsize=9)
    ax.set(xlim=(0, d[-1]), ylim=(0, 1.2))
    ax.legend(loc="center right")
    style_axes(ax, "residual |d|", "loss, gradient norm")
    return fig, ax
