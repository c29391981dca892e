"""``python -m benchmarks.accuracy NAME=COMPARISON... [--out FILE]``: comparisons of several data sets in one table.

AP in points, mean over seeds, and the difference to the baseline paired by seed with its 95 % interval. The last rows
average the differences over the data sets, seed by seed, and name the worst run. Beside the table go two pictures: the
differences, and AP by epoch.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from matplotlib.figure import Figure

from torchghm.report.figures.palette import color, method_colors, method_label
from torchghm.results.difference import Difference
from torchghm.training.comparison.statistics import paired_difference

PANELS_A_ROW = 4


class DataSet(NamedTuple):
    """A finished comparison on one data set.

    Attributes:
        name: of the data set, as the table shows it.
        baseline: the method that the others are measured by.
        ap: method -> seed -> AP in points.
        curves: method -> AP in points on the validation images after each epoch, mean over seeds.
    """

    name: str
    baseline: str
    ap: dict[str, dict[int, float]]
    curves: dict[str, list[float]]

    def against_baseline(self, method: str) -> dict[int, float]:
        """Return the method's AP less the baseline's, by seed, for the seeds that both have."""
        own, other = self.ap[method], self.ap[self.baseline]
        return {seed: own[seed] - other[seed] for seed in own if seed in other}


def read_comparison(name: str, folder: Path) -> DataSet:
    """Read ``comparison.json`` and the runs' ``metrics.csv`` (docs/run-folder.md).

    Raises:
        ValueError: the folder holds no comparison.
    """
    path = folder / "comparison.json"
    if not path.exists():
        raise ValueError(f"Expected {folder} to hold a comparison, but there is no comparison.json.")
    content = json.loads(path.read_text(encoding="utf-8"))
    ap: dict[str, dict[int, float]] = {}
    curves: dict[str, list[float]] = {}
    for method in content["methods"]:
        seeds = [int(seed) for seed in method["runs"]]
        ap[method["name"]] = {
            seed: 100 * value for seed, value in zip(seeds, method["values"]["ap"], strict=True) if value is not None
        }
        by_run = [_validation_ap(folder / run / "metrics.csv") for run in method["runs"].values()]
        curves[method["name"]] = [100 * mean(epoch) for epoch in zip(*by_run, strict=False)]
    return DataSet(name, content["baseline"], ap, curves)


def _validation_ap(path: Path) -> list[float]:
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row["val/ap"]) for row in csv.DictReader(file) if row["val/ap"]]


def interval(differences: Sequence[float]) -> Difference:
    """Return the mean of paired differences with its 95 % interval (Student's t)."""
    return paired_difference(differences, [0.0] * len(differences))


def over_data_sets(sets: Sequence[DataSet], method: str) -> list[float]:
    """Return a method's difference to the baseline by seed, averaged over the data sets; seeds that all have."""
    by_set = [one.against_baseline(method) for one in sets]
    return [mean(one[seed] for one in by_set) for seed in sorted(set.intersection(*map(set, by_set)))]


def table(sets: Sequence[DataSet]) -> str:
    """Return the Markdown table, a row a data set, and below it each method's mean and worst run."""
    baseline = sets[0].baseline
    methods = [name for name in sets[0].ap if name != baseline and all(name in one.ap for one in sets)]
    head = ["data set", "seeds", baseline, *(f"{name}: AP, against {baseline}" for name in methods)]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for one in sets:
        cells = [one.name, str(len(one.ap[baseline])), f"{mean(one.ap[baseline].values()):.1f}"]
        for name in methods:
            difference = interval(list(one.against_baseline(name).values()))
            cells.append(f"{mean(one.ap[name].values()):.1f}, {_said(difference)}")
        rows.append(cells)
    means = [interval(over_data_sets(sets, name)) for name in methods]
    rows.append(["mean of the data sets", "", "", *map(_said, means)])
    worst = [min(value for one in sets for value in one.against_baseline(name).values()) for name in methods]
    rows.append(["worst single run", "", "", *(f"{value:+.1f}" for value in worst)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _said(difference: Difference) -> str:
    if difference.low is None or difference.high is None:
        return f"{difference.mean:+.1f}"
    return f"{difference.mean:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"


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


def main() -> None:
    """Print the table; with ``--out FILE.md`` write it, and the pictures beside it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("comparisons", nargs="+", metavar="NAME=COMPARISON", help="a data set's name and the folder")
    parser.add_argument("--out", type=Path, help="Markdown file; FILE-differences.svg and FILE-curves.svg go beside it")
    arguments = parser.parse_args()
    sets = []
    for one in arguments.comparisons:
        name, separator, folder = one.partition("=")
        if not separator:
            parser.error(f"expected NAME=COMPARISON, but got {one!r}")
        sets.append(read_comparison(name, Path(folder)))
    text = table(sets)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
        for what, figure in (("differences", draw_differences(sets)), ("curves", draw_curves(sets))):
            figure.savefig(arguments.out.with_name(f"{arguments.out.stem}-{what}.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
