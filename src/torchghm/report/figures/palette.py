"""The colours of the losses and the style of every figure: the only place where either is decided."""

from __future__ import annotations

import math
from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# name -> (on a light ground, on a dark ground). The loss colours follow Okabe and Ito's colour-blind-safe set,
# darkened or lightened until each has a contrast of at least 3:1 against its ground. The figures are drawn in the
# light column; the page replaces each of these (all different) values by a CSS variable that knows both.
PALETTE: dict[str, tuple[str, str]] = {
    "ink": ("#1c2430", "#e6eaf0"),
    "muted": ("#5b6573", "#a2adbb"),
    "rule": ("#d3d9e0", "#39424e"),
    "crowd": ("#c3cbd5", "#465160"),
    "ce": ("#6b7686", "#93a0b2"),
    "ohem": ("#b5548c", "#e08fbd"),
    "focal": ("#d55e00", "#ff8c3f"),
    "ghmc": ("#0072b2", "#4fb0ee"),
    "ghmc_published": ("#23408e", "#8fa3f0"),
    "own": ("#5f4a3a", "#c9ab93"),
    "smooth_l1": ("#927012", "#d6b545"),
    "asl1": ("#7a4fb5", "#b698ea"),
    "ghmr": ("#00835f", "#33c79b"),
    "ghmr_published": ("#3d6b4a", "#8cc49b"),
    "other1": ("#a8422f", "#ee8a76"),
    "other2": ("#3f7f93", "#7cc3d8"),
    "other3": ("#5f7a1e", "#a9ca58"),
    "other4": ("#8a5a44", "#cf9c84"),
    "other5": ("#a3557f", "#d68ab3"),
    "other6": ("#4d5fa8", "#9aa8e6"),
    "other7": ("#746a00", "#c9bf55"),
    "other8": ("#8e1f5c", "#e37bb4"),
}

SPARE = sum(name.startswith("other") for name in PALETTE)

LOSS_LABELS = {
    "ce": "CE",
    "ohem": "OHEM",
    "focal": "focal",
    "ghmc": "GHM-C",
    "ghmc_published": "GHM-C as published",
    "asymmetric": "asymmetric",
    "poly1_focal": "Poly-1",
    "quality_focal": "quality focal",
    "eqlv2": "EQL v2",
    "sce": "SCE",
    "gce": "GCE",
    "logit_adjustment": "logit adjustment",
    "dft": "DFT",
    "own": "the detector's own",
    "smooth_l1": "smooth L1",
    "asl1": "ASL1",
    "ghmr": "GHM-R",
    "ghmr_published": "GHM-R as published",
}

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Dash = str | tuple[int, tuple[int, ...]]
"""A line style as matplotlib takes it."""

OWN_DASH: Dash = (0, (5, 1, 1, 1))
_BOX_DASHES: dict[str, Dash] = {"smooth_l1": "-", "asl1": "-.", "ghmr": "--", "ghmr_published": ":", "own": OWN_DASH}


def color(name: str) -> str:
    """Return the colour of a palette entry on a light ground, as `#rrggbb`."""
    return PALETTE[name][0]


def method_label(method: str) -> str:
    """Return the label of a method in figures: `ghmc+ghmr@mu=0.1` is "GHM-C + GHM-R, mu=0.1"; unknown names stay."""
    losses, _, variant = method.partition("@")
    label = " + ".join(LOSS_LABELS.get(part.strip(), part.strip()) for part in losses.split("+"))
    return f"{label}, {variant}" if variant else label


def method_colors(methods: Iterable[str]) -> dict[str, str]:
    """Return each method's palette entry: its classification loss's; unknown losses and variants take spare ones."""
    names: dict[str, str] = {}
    spare: dict[str, str] = {}
    for method in methods:
        losses, _, variant = method.partition("@")
        cls = losses.split("+")[0].strip()
        key = method if variant else cls
        names[method] = cls if key in PALETTE else spare.setdefault(key, f"other{len(spare) % SPARE + 1}")
    return names


def method_dash(method: str) -> Dash:
    """Return the line style of a method: that of its box loss, so that methods with one classification loss differ."""
    box = method.partition("@")[0].partition("+")[2].strip()
    return _BOX_DASHES.get(box, ":" if box else "-")


def literal(text: str, limit: int = 40) -> str:
    """Return text from the data for a figure: `$` starts no formula, and a long name is cut at `limit` characters."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    # Matplotlib leaves labels with a leading underscore out of the legend.
    return ("\u200a" + cut if cut.startswith("_") else cut).replace("$", r"\$")


def axes_for(ax: Axes | None, width: float = 4.8, height: float = 3.2) -> tuple[Figure, Axes]:
    """Return the figure and axes to draw on: the caller's, or new ones (inches) outside pyplot's state."""
    if ax is None:
        # The layout engine makes room for labels of any length; pyplot would keep every figure alive.
        new = Figure(figsize=(width, height), layout="constrained")
        return new, new.add_subplot()
    return figure_of(ax), ax


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure of axes that may be in a part of it."""
    fig = ax.get_figure()
    while isinstance(fig, SubFigure):
        fig = fig.figure
    if fig is None:
        raise ValueError("Expected argument `ax` to belong to a figure, but got axes that were removed from theirs")
    return fig


def style_axes(ax: Axes, xlabel: str = "", ylabel: str = "", grid: str = "y") -> None:
    """Give axes the common style: grey spines and ticks, a faint grid, labels in ink, the legend without a frame."""
    ax.set_facecolor("none")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(color("muted"))
    ax.tick_params(which="both", color=color("muted"), labelcolor=color("muted"), labelsize=9.5)
    ax.tick_params(which="minor", length=0)
    if grid:
        ax.grid(True, axis=grid, color=color("rule"), linewidth=0.7)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    ax.set_xlabel(xlabel, color=color("ink"), fontsize=10.5)
    ax.set_ylabel(ylabel, color=color("ink"), fontsize=10.5)
    if legend := ax.get_legend():
        _style_legend(legend)


def legend_above(ax: Axes) -> None:
    """Draw a legend of many entries, above the axes where a layout engine makes room for it, else inside."""
    fig = figure_of(ax)
    if fig.get_layout_engine() is not None and len(fig.axes) == 1:
        _style_legend(fig.legend(loc="outside upper left", ncols=2))
    else:
        ax.legend(loc="best")


def _style_legend(legend: Legend) -> None:
    legend.set_frame_on(False)
    for text in legend.get_texts():
        text.set(color=color("ink"), fontsize=9.5)


def log_axis(ax: Axes) -> None:
    """Make the vertical axis logarithmic, with plain labels (0.01, 10, 10⁵) and enough of them on a short range."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 50 * low else (1.0, 2.0, 5.0), numticks=8))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    """Format a power of ten in plain text: matplotlib's own labels are formulas, slow to draw and no text on a page."""
    if not 0.001 <= value < 10_000 and value > 0:
        exponent = math.floor(math.log10(value) + 1e-9)
        factor = round(value / 10.0**exponent)
        power = "10" + str(exponent).translate(_SUPERSCRIPTS)
        return power if factor == 1 else f"{factor}·{power}"
    return f"{value:,.12g}"


def stylesheet_variables(column: int) -> str:
    """Return the CSS variables of the palette: `column` 0 on a light ground, 1 on a dark one."""
    return "".join(f"--{name.replace('_', '-')}:{pair[column]};" for name, pair in PALETTE.items())
