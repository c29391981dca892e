"""Finished comparisons of several data sets, read from their folders."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from torchghm.results.difference import Difference
from torchghm.training.comparison.statistics import paired_difference


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


def joined(sets: Sequence[DataSet]) -> list[DataSet]:
    """Return one data set a name: comparisons of the same data set add their methods and seeds to the first one's."""
    by_name: dict[str, DataSet] = {}
    for one in sets:
        first = by_name.setdefault(one.name, one)
        if first is not one:
            ap = {name: one.ap.get(name, {}) | first.ap.get(name, {}) for name in [*first.ap, *one.ap]}
            by_name[one.name] = first._replace(ap=ap, curves=one.curves | first.curves)
    return list(by_name.values())


def interval(differences: Sequence[float]) -> Difference:
    """Return the mean of paired differences with its 95 % interval (Student's t)."""
    return paired_difference(differences, [0.0] * len(differences))
