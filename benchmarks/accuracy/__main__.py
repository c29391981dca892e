"""``python -m benchmarks.accuracy NAME=COMPARISON... [--out FILE]``: comparisons of several data sets in one table.

AP in points, mean over seeds, and the difference to the baseline paired by seed with its 95 % interval. The last rows
average the differences over the data sets, seed by seed, and name the worst run. Beside the table go three pictures:
the differences, the AP of every loss, and AP by epoch. Comparisons under one name are joined: more losses or seeds of
one data set.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from benchmarks.accuracy.figures import draw_curves, draw_differences, draw_losses
from benchmarks.accuracy.sets import DataSet, interval, joined, read_comparison
from torchghm.results.difference import Difference


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


def main() -> None:
    """Print the table; with ``--out FILE.md`` write it, and the pictures beside it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("comparisons", nargs="+", metavar="NAME=COMPARISON", help="a data set's name and the folder")
    parser.add_argument("--out", type=Path, help="Markdown file; pictures go beside it")
    arguments = parser.parse_args()
    sets = []
    for one in arguments.comparisons:
        name, separator, folder = one.partition("=")
        if not separator:
            parser.error(f"expected NAME=COMPARISON, but got {one!r}")
        sets.append(read_comparison(name, Path(folder)))
    sets = joined(sets)
    text = table(sets)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
        for what, draw in (("differences", draw_differences), ("losses", draw_losses), ("curves", draw_curves)):
            draw(sets).savefig(arguments.out.with_name(f"{arguments.out.stem}-{what}.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
