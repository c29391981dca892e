"""``python -m benchmarks.accuracy.pictures TABLE.md...``: draw the differences in comparisons beside their tables."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from torchghm.report.figures.results import plot_paired_differences

Difference = tuple[float, float | None, float | None]

_INTERVAL = re.compile(r"^([+-][\d.]+)(?: \[([+-][\d.]+), ([+-][\d.]+)\])?")


class Differences(NamedTuple):
    """The second table of a comparison.md."""

    baseline: str
    by_metric: dict[str, dict[str, Difference]]
    """Metric -> method -> mean difference and the ends of its interval, in points."""


def main() -> None:
    """Write an SVG beside every table that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy.pictures", description=__doc__)
    parser.add_argument("tables", nargs="+", type=Path, metavar="TABLE.md", help="what `torchghm compare` wrote")
    for table in parser.parse_args().tables:
        picture = table.with_suffix(".svg")
        draw(read_differences(table)).savefig(picture, metadata={"Date": None})
        print(picture)


def read_differences(table: Path) -> Differences:
    """Read the paired differences of a comparison.

    Raises:
        ValueError: there is no such table in the file.
    """
    text = table.read_text(encoding="utf-8")
    found = re.search(r"^Difference to (\S+), paired by seed.*?\n\n(.*?)\n\n", text, flags=re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{table}: expected a comparison's table of paired differences, but found none")
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in found[2].splitlines())
    by_metric: dict[str, dict[str, Difference]] = {metric: {} for metric in header[1:]}
    for method, *cells in rows:
        for metric, cell in zip(header[1:], cells, strict=True):
            by_metric[metric][method] = _difference(table, cell)
    return Differences(found[1], by_metric)


def draw(differences: Differences) -> Figure:
    """A panel for each metric."""
    methods = len(next(iter(differences.by_metric.values())))
    figure = Figure(figsize=(10, 1.4 + 0.36 * methods), layout="constrained")
    panels = figure.subplots(1, len(differences.by_metric), sharey=True, squeeze=False)[0]
    for panel, (metric, by_method) in zip(panels, differences.by_metric.items(), strict=True):
        plot_paired_differences(by_method, baseline=differences.baseline, metric=f"{metric}, points,", ax=panel)
    return figure


def _difference(table: Path, cell: str) -> Difference:
    found = _INTERVAL.match(cell)
    if found is None:
        raise ValueError(f"{table}: expected a difference as +1.23 [+0.45, +2.01], but got {cell!r}")
    low, high = (None if end is None else float(end) for end in found.groups()[1:])
    return float(found[1]), low, high


if __name__ == "__main__":
    main()
