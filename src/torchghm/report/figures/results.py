"""Figures of final results: paired differences to a baseline, and average precision by class."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from torchghm.report.figures.palette import (
    OWN_DASH,
    Dash,
    axes_for,
    color,
    legend_above,
    literal,
    method_colors,
    method_dash,
    method_label,
    style_axes,
)

_MARKERS: dict[Dash, str] = {"-": "o", "--": "D", "-.": "s", ":": "^", OWN_DASH: "v"}


def plot_paired_differences(
    differences: Mapping[str, tuple[float, float | None, float | None]],
    *,
    baseline: str,
    metric: str = "AP",
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw each method's paired difference to the baseline with its interval; one that crosses 0 shows no difference.

    Arguments:
        differences: method -> mean difference, low and high end of its 95% interval (None with one seed).
        baseline: the method that the others are compared with.
        metric: what is compared.
        colors: palette entry of each method, where other figures show more methods than these.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if `differences` is empty.

    Examples:
        >>> fig, ax = plot_paired_differences({"ghmc+ghmr": (0.02, -0.01, 0.05)}, baseline="ce+smooth_l1")
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['GHM-C + GHM-R']
    """
    if not differences:
        raise ValueError("Expected argument `differences` to hold at least one method, but got none")
    fig, ax = axes_for(ax, height=1.3 + 0.36 * len(differences))
    colors = colors or method_colors(differences)
    for row, (method, (mean, low, high)) in enumerate(differences.items()):
        line_color = color(colors[method])
        if low is not None and high is not None:
            ax.plot([100 * low, 100 * high], [row, row], color=line_color, linewidth=2.4, solid_capstyle="butt")
        known = low is not None and high is not None
        marker = _MARKERS[method_dash(method)]
        ax.plot(
            [100 * mean], [row], marker, color=line_color, markersize=8, markerfacecolor=line_color if known else "none"
        )
    ax.axvline(0.0, color=color("ink"), linewidth=1.2)
    ax.set_yticks(range(len(differences)), [literal(method_label(method)) for method in differences])
    ax.set_ylim(len(differences) - 0.4, -0.6)  # the first method on top, as in the table
    reach = 115 * max(abs(end) for values in differences.values() for end in values if end is not None) or 1.0
    ax.set_xlim(-reach, reach)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    style_axes(ax, f"difference in {metric}, points,\nto {literal(method_label(baseline))}", grid="x")
    ax.tick_params(axis="y", labelcolor=color("ink"), length=0)
    ax.spines["left"].set_visible(False)
    return fig, ax


def plot_per_class_average_precision(
    values: Mapping[str, Mapping[str, float]],
    *,
    boxes: Mapping[str, int] | None = None,
    metric: str = "AP",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw the average precision of each class, a point a method.

    Arguments:
        values: method -> class name -> AP in [0, 1]; classes in the order of the first method, others after them.
        boxes: class name -> how many boxes it has, to stand behind its name.
        metric: what the horizontal axis is called.
        ax: axes to draw on; new ones by default, as high as the classes need.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if there is no class.

    Examples:
        >>> fig, ax = plot_per_class_average_precision({"ce+smooth_l1": {"WBC": 0.7, "RBC": 0.5}})
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['WBC', 'RBC']
    """
    classes = list(dict.fromkeys(name for of_class in values.values() for name in of_class))
    if not classes:
        raise ValueError("Expected argument `values` to hold at least one class, but got none")
    fig, ax = axes_for(ax, height=1.0 + (0.26 + 0.05 * len(values)) * len(classes) + 0.12 * len(values))
    colors = method_colors(values)
    rows = {name: row for row, name in enumerate(classes)}
    for index, (method, of_class) in enumerate(values.items()):
        # Methods of nearly equal AP would hide each other: each has its own height within the class's row.
        offset = 0.6 * ((index + 0.5) / len(values) - 0.5)
        ax.plot(
            [100 * value for value in of_class.values()],
            [rows[name] + offset for name in of_class],
            _MARKERS[method_dash(method)],
            color=color(colors[method]),
            markersize=7,
            label=literal(method_label(method)),
        )
    counts = boxes or {}
    names = [literal(name, 28) + (f" ({counts[name]:,})" if name in counts else "") for name in classes]
    ax.set_yticks(range(len(classes)), names)
    ax.set(ylim=(len(classes) - 0.4, -0.6), xlim=(0, 100))
    if len(values) > 1:
        legend_above(ax)
    style_axes(ax, metric, grid="x")
    ax.tick_params(axis="y", labelcolor=color("ink"), length=0)
    return fig, ax
