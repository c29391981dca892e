"""Figures of a training: average precision, losses and harmonizing weights over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from torchghm.report.figures.palette import (
    LOSS_LABELS,
    axes_for,
    color,
    legend_above,
    literal,
    log_axis,
    method_colors,
    method_dash,
    method_label,
    style_axes,
)


def plot_average_precision(
    curves: Mapping[str, ArrayLike],
    *,
    epochs: Sequence[float] | None = None,
    metric: str = "AP",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw average precision over epochs: a line a method, with a band of one standard deviation over its seeds.

    Arguments:
        curves: method (`ghmc+ghmr`) -> AP in [0, 1], [epochs] or [seeds, epochs]; nan where it was not measured.
        epochs: the epochs' numbers, [epochs]; 1, 2, ... by default.
        metric: what the vertical axis is called.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if the curves differ in length from each other or from `epochs`.

    Examples:
        >>> fig, ax = plot_average_precision({"ce+smooth_l1": [0.1, 0.3], "ghmc+ghmr": [[0.1, 0.2], [0.2, 0.4]]})
        >>> len(ax.get_lines()), len(ax.collections)
        (2, 1)
    """
    many = len(curves) > 4  # a legend of more would cover the lines
    fig, ax = axes_for(ax, height=3.2 + 0.12 * len(curves) * many)
    colors = method_colors(curves)
    for method, values in curves.items():
        seeds = 100 * np.atleast_2d(np.asarray(values, dtype=np.float64))
        at = _epochs(epochs, seeds.shape[-1], f"curves[{method!r}]")
        measured = np.isfinite(seeds)
        shown = measured.any(axis=0)
        at, seeds, count = at[shown], seeds[:, shown], measured[:, shown].sum(axis=0)
        mean = np.nansum(seeds, axis=0) / count
        line_color = color(colors[method])
        ax.plot(
            at,
            mean,
            color=line_color,
            linestyle=method_dash(method),
            linewidth=2.0,
            marker="o",
            markersize=3 if at.size > 1 else 6,
            label=literal(method_label(method)),
        )
        if (count > 1).any():
            spread = np.sqrt(np.nansum((seeds - mean) ** 2, axis=0) / np.maximum(count - 1, 1))
            ax.fill_between(at, mean - spread, mean + spread, color=line_color, alpha=0.16, linewidth=0)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if many:
        legend_above(ax)
    elif len(curves) > 1:
        ax.legend(loc="best")
    style_axes(ax, "epoch", metric)
    return fig, ax


def plot_training_losses(
    loss: ArrayLike,
    plain_loss: ArrayLike,
    *,
    name: str = "ghmc",
    epochs: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw the optimised loss and, beside it, the plain (unweighted) loss over epochs, on a logarithmic scale.

    Both are divided by their own first value: they are means over different numbers of examples (positives, all), so
    that only their courses can be compared.

    Arguments:
        loss: the loss that was minimised, [epochs]; nan where it is unknown.
        plain_loss: the mean of the same examples' losses without weights, [epochs].
        name: the loss's name (`ghmc`), for its colour and label.
        epochs: the epochs' numbers, [epochs]; 1, 2, ... by default.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if lengths differ.

    Examples:
        >>> fig, ax = plot_training_losses([1.0, 0.98], [0.5, 0.1])
        >>> [line.get_label() for line in ax.get_lines()]
        ['GHM-C (minimised)', 'plain loss']
    """
    fig, ax = axes_for(ax)
    lines = (
        (loss, f"{literal(LOSS_LABELS.get(name, name))} (minimised)", color(method_colors([name])[name]), "-"),
        (plain_loss, "plain loss", color("ink"), "--"),
    )
    positive = True
    for argument, (values, label, line_color, dash) in zip(("loss", "plain_loss"), lines, strict=True):
        line = np.asarray(values, dtype=np.float64)
        at = _epochs(epochs, line.size, argument)
        first = line[np.isfinite(line)][:1]
        line = line / first if first.size and first[0] > 0 else line
        positive = positive and bool(np.nanmin(line, initial=np.inf) > 0)
        marker_size = 3 if at.size > 1 else 6
        ax.plot(
            at, line, color=line_color, linestyle=dash, linewidth=2.0, marker="o", markersize=marker_size, label=label
        )
    if positive:
        log_axis(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(loc="best")
    style_axes(ax, "epoch", f"loss, first epoch = 1{' (log)' if positive else ''}")
    return fig, ax


def plot_weights_over_training(
    beta: ArrayLike, *, epochs: Sequence[float] | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw the harmonizing weight of each unit region over the epochs as a heat map on a logarithmic colour scale.

    White is beta = 1 (as in the plain loss), orange is quieted, purple is amplified; empty regions are grey.

    Arguments:
        beta: harmonizing weights, [epochs, regions]; 0 or nan where a region is empty.
        epochs: the epochs' numbers, [epochs]; 1, 2, ... by default.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes of the heat map.

    Raises:
        ValueError: if `beta` is not a table, is negative, or has no positive entry.

    Source: GHM paper, section 3.3.

    Examples:
        >>> fig, ax = plot_weights_over_training([[0.1, 10.0], [0.2, 5.0]])
        >>> ax.get_ylabel()
        'gradient norm g'
    """
    table = np.asarray(beta, dtype=np.float64)
    if table.ndim != 2 or not (table > 0).any() or (table < 0).any():
        raise ValueError(
            "Expected argument `beta` to be a table [epochs, regions] of weights of at least 0, some above 0, "
            f"but got shape {table.shape}"
        )
    at = _epochs(epochs, table.shape[0], "beta")
    fig, ax = axes_for(ax)
    filled = table > 0
    decades = np.log10(table, out=np.full_like(table, np.nan), where=filled)
    # beta = 1 is the middle of the colours; each side reaches at least to a factor of 2.
    low, high = min(np.nanmin(decades), -0.3), max(np.nanmax(decades), 0.3)
    image = ax.imshow(
        decades.T,
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=(0, 1, 0, 1),
        cmap=colormaps["PuOr"],
        norm=TwoSlopeNorm(0.0, low, high),
    )
    step = (at[-1] - at[0]) / max(at.size - 1, 1) or 1.0
    image.set_extent((at[0] - step / 2, at[-1] + step / 2, 0, 1))
    bar = fig.colorbar(image, ax=ax, pad=0.03)
    # The ends and 1 are named, and the powers of ten that leave room between them.
    ends = [low, 0.0, high]
    between = [float(k) for k in range(math.ceil(low), math.floor(high) + 1) if min(abs(k - e) for e in ends) > 0.4]
    bar.set_ticks(sorted([*ends, *between]))
    bar.ax.set_yticklabels([f"{10.0**k:,.0f}" if k >= 1 else f"{10.0**k:.2g}" for k in bar.get_ticks()])
    bar.ax.tick_params(color=color("muted"), labelcolor=color("muted"), labelsize=9.5)
    bar.set_label("harmonizing weight β (log)", color=color("ink"), fontsize=10.5)
    bar.outline.set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    style_axes(ax, "epoch", "gradient norm g", grid="")
    ax.set_facecolor(color("rule"))  # shows where a region is empty
    return fig, ax


def _epochs(epochs: Sequence[float] | None, length: int, argument: str) -> NDArray[np.float64]:
    """Return the epochs' numbers, as many as an argument has values."""
    at = np.arange(1.0, length + 1) if epochs is None else np.asarray(epochs, dtype=np.float64)
    if at.size != length:
        raise ValueError(f"Expected argument `{argument}` to have {at.size} epochs, but got {length}")
    return at
