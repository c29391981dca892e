"""Pictures of several comparisons: differences to the baseline, every loss's AP, and AP by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import mean

from matplotlib.figure import Figure

from benchmarks.accuracy.sets import DataSet, interval
from torchghm.report.figures.palette import color, method_colors, method_label

PANELS_A_ROW = 4


def draw_differences(sets: Sequence[DataSet]) -> Figure:
    """Draw every method's difference to the baseline with its interval, a row a data set and method."""
    rows = [(one, name) for one in sets for name in one.ap if name != one.baseline]
    colors = method_colors(dict.fromkeys(name for one in sets for name in one.ap))
    figure = Figure(figsize=(8, 1.0 + 0.32 * len(rows)), layout="constrained")
    ax = figure.subplots()
    ax.axvline(0, color="0.6", linewidth=1)
    for row, (one, name) in enumerate(rows):
        difference = interval(list(one.against_baseline(name).values()))
        look = color(colors[name])
        ends = [end for end in (difference.low, difference.mean, difference.high) if end is not None]
        ax.plot(ends, [row] * len(ends), color=look, linewidth=2)
        ax.plot(mean(one.against_baseline(name).values()), row, "o", color=look)
    several = len({name for _, name in rows}) > 1
    ax.set_yticks(
        range(len(rows)), [f"{one.name}: {method_label(name)}" if several else one.name for one, name in rows]
    )
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel(f"AP against {method_label(sets[0].baseline)}, points, 95 % interval over seeds")
    return figure


def draw_losses(sets: Sequence[DataSet]) -> Figure:
    """Draw the mean AP of every loss with its 95 % interval over the seeds, a panel a data set, the best on top."""
    gains: dict[str, list[float]] = {name: [] for one in sets for name in one.ap}
    for one in sets:  # against the baseline: not every loss was run on every data set
        for name in one.ap:
            gains[name] += one.against_baseline(name).values()
    methods = sorted(gains, key=lambda name: -mean(gains[name] or [0.0]))
    colors = method_colors(methods)
    figure = Figure(figsize=(1.2 + 2.2 * len(sets), 0.9 + 0.28 * len(methods)), layout="constrained")
    panels = figure.subplots(1, len(sets), squeeze=False, sharey=True)[0]
    for panel, one in zip(panels, sets, strict=True):
        for row, name in enumerate(methods):
            values = list(one.ap.get(name, {}).values())
            if values:
                of_seeds = interval(values)
                ends = [of_seeds.mean if end is None else end for end in (of_seeds.low, of_seeds.high)]
                panel.plot(ends, [row, row], color=color(colors[name]), linewidth=2)
                panel.plot(of_seeds.mean, row, "o", color=color(colors[name]))
        panel.set_title(one.name, fontsize="medium")
        panel.set_xlim(left=0)
        panel.grid(axis="x", color=color("rule"), linewidth=0.7)
    panels[0].set_yticks(range(len(methods)), [method_label(name) for name in methods])
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    figure.supxlabel("AP, points, 95 % interval over seeds", fontsize="medium")
    return figure


def draw_curves(sets: Sequence[DataSet]) -> Figure:
    """Draw AP on the validation images after each epoch, mean over seeds, a panel a data set."""
    colors = method_colors(dict.fromkeys(name for one in sets for name in one.ap))
    columns = min(len(sets), PANELS_A_ROW)
    rows = ceil(len(sets) / columns)
    figure = Figure(figsize=(3.2 * columns, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(sets) :]:
        panel.remove()
    for panel, one in zip(panels, sets, strict=False):
        for name, values in one.curves.items():
            panel.plot(range(1, len(values) + 1), values, "o-", color=color(colors[name]), label=method_label(name))
        panel.set_title(one.name, fontsize="medium")
        panel.set_xlabel("epoch")
        panel.set_xticks(range(1, 1 + max(map(len, one.curves.values()))))
        panel.set_ylim(bottom=0)
    figure.axes[0].set_ylabel("AP on the validation images")
    figure.axes[0].legend(fontsize="small")
    return figure
