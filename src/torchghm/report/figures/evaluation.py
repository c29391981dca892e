"""Figures of an evaluation: precision and recall, F1 by threshold, confusions, calibration, kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from torchghm.report.figures.palette import SPARE, axes_for, color, legend_above, literal, style_axes

MOST_LINES = 8
"""Classes that get a line with a name."""
MOST_COUNTS = 12
"""Classes up to which the cells of a confusion matrix show their counts."""

MOST_NAMES = 40
"""Rows of a confusion matrix up to which each has its name; of more, every n-th has."""

Points = tuple[ArrayLike, ArrayLike]
"""Horizontal and vertical values of a line."""


def plot_precision_recall(
    curves: Mapping[str, Points], *, marked: Points | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw precision over recall: a line a class, and in ink that of all classes together, named "".

    Arguments:
        curves: name -> recalls and precisions in [0, 1]; nan where there are none. Of more than eight classes the lines
            are grey and have no names.
        marked: recall and precision at the threshold to deploy.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Examples:
        >>> fig, ax = plot_precision_recall({"": ([0.5, 0.4], [0.8, 0.9]), "cat": ([0.6, 0.5], [0.7, 0.8])})
        >>> [line.get_label() for line in ax.get_lines()]
        ['cat', 'all together']
    """
    fig, ax = axes_for(ax, height=3.4)
    _lines(ax, curves)
    if marked is not None:
        ax.plot(*marked, marker="o", markersize=7, color=color("ink"), linestyle="none", label="threshold to deploy")
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02))
    legend_above(ax)
    style_axes(ax, "recall: part of the objects that is found", "precision: part that is right")
    return fig, ax


def plot_f1_by_threshold(
    curves: Mapping[str, Points], *, threshold: float | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw F1 over the threshold of the score, lines as in `plot_precision_recall`.

    Arguments:
        curves: name -> thresholds and F1.
        threshold: that is deployed, a vertical line.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Examples:
        >>> fig, ax = plot_f1_by_threshold({"": ([0.25, 0.5], [0.4, 0.6])}, threshold=0.5)
        >>> ax.get_ylabel()
        'F1'
    """
    fig, ax = axes_for(ax, height=3.4)
    _lines(ax, curves)
    if threshold is not None:
        ax.axvline(threshold, color=color("ink"), linewidth=1.0, linestyle=":", label=f"threshold {threshold:.2f}")
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    legend_above(ax)
    style_axes(ax, "threshold of the score", "F1")
    return fig, ax


def plot_confusion(counts: ArrayLike, names: Sequence[str], *, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw a confusion matrix: colour is the share of the row, the numbers are counts.

    Arguments:
        counts: [K + 1, K + 1], a row for each true class and a column for each detected one, background last.
        names: of the K classes.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: counts of another shape.

    Examples:
        >>> fig, ax = plot_confusion([[8, 2], [1, 0]], ["cat"])
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['cat', 'background']
    """
    table = np.asarray(counts, dtype=np.float64)
    size = len(names) + 1
    if table.shape != (size, size):
        raise ValueError(f"Expected argument `counts` to be of shape [{size}, {size}], but got {[*table.shape]}")
    fig, ax = axes_for(ax, height=max(3.2, min(8.0, 1.4 + 0.38 * size)))
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    cells = LinearSegmentedColormap.from_list("share", ["#ffffff", color("ghmc")])
    ax.imshow(share, cmap=cells, vmin=0, vmax=1, aspect="auto", interpolation="none")
    if size <= MOST_COUNTS + 1:
        for row, column in np.argwhere(table > 0):
            # On its cell, not on the page's ground: not a colour of the palette.
            shade = "#fffffe" if share[row, column] > 0.55 else "#10151c"
            ax.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", fontsize=8.5, color=shade)
    step = -(-size // MOST_NAMES)
    named = [*range(0, size - step, step), size - 1]
    labels = [*(literal(names[row], 16) for row in named[:-1]), "background"]
    ax.set_xticks(named, labels, rotation=60 if size > 4 else 0, ha="right" if size > 4 else "center")
    ax.set_yticks(named, labels)
    style_axes(ax, "detected as", "is", grid="")
    return fig, ax


def plot_reliability(
    scores: ArrayLike, precisions: ArrayLike, detections: ArrayLike, *, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw the part of the detections that is right over their score, in tenths; on the diagonal they agree.

    Arguments:
        scores: mean score of each tenth, nan where it has no detection.
        precisions: part that is right, likewise.
        detections: their number; the size of a dot goes by it.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Examples:
        >>> fig, ax = plot_reliability([0.25, 0.75], [0.1, 0.8], [30, 20])
        >>> ax.get_xlabel()
        'score'
    """
    fig, ax = axes_for(ax, height=3.4)
    score, precision, count = (np.asarray(values, dtype=np.float64) for values in (scores, precisions, detections))
    shown = count > 0
    ax.plot([0, 1], [0, 1], color=color("muted"), linestyle="--", linewidth=1.2)
    ax.plot(score[shown], precision[shown], color=color("ghmc"), linewidth=1.6)
    size = 20 + 140 * count[shown] / max(count.max(initial=0), 1)
    ax.scatter(score[shown], precision[shown], s=size, color=color("ghmc"), zorder=3)
    ax.set(xlim=(0, 1.02), ylim=(-0.02, 1.02))
    style_axes(ax, "score", "part that is right")
    return fig, ax


def plot_error_kinds(counts: Mapping[str, int], *, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw the number of errors of each kind as bars.

    Arguments:
        counts: kind -> number.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Examples:
        >>> fig, ax = plot_error_kinds({"missed": 7, "duplicate": 2})
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['missed', 'duplicate']
    """
    fig, ax = axes_for(ax, height=1.2 + 0.4 * len(counts))
    bars = ax.barh(range(len(counts)), list(counts.values()), color=color("focal"), height=0.6)
    ax.bar_label(bars, padding=4, color=color("ink"), fontsize=9.5)
    ax.set_yticks(range(len(counts)), list(counts))
    ax.set_xlim(0, 1.15 * max([*counts.values(), 1]))
    ax.invert_yaxis()
    style_axes(ax, "errors", grid="x")
    return fig, ax


def _lines(ax: Axes, curves: Mapping[str, Points]) -> None:
    """Draw a line a class, and on top of them that of all."""
    classes = [name for name in curves if name]
    named = len(classes) <= MOST_LINES
    for index, name in enumerate(classes):
        line_color = color(f"other{index % SPARE + 1}") if named else color("crowd")
        ax.plot(*_arrays(curves[name]), color=line_color, linewidth=1.3, label=literal(name, 20) if named else None)
    if "" in curves:
        ax.plot(*_arrays(curves[""]), color=color("ink"), linewidth=2.2, label="all together")


def _arrays(points: Points) -> list[np.ndarray]:
    return [np.asarray(values, dtype=np.float64) for values in points]
