"""The table of a comparison and the runs that it names, read and checked (docs/run-folder.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchghm.results.difference import Difference
from torchghm.results.files import ComparisonFiles
from torchghm.results.frames import data_frame
from torchghm.results.json_fields import Fields, read_json
from torchghm.results.run import Run, read_run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Method:
    """A pair of losses: its runs by seed, and its results by metric (None where one does not apply)."""

    name: str
    runs: tuple[Run, ...]
    mean: dict[str, float | None]
    std: dict[str, float | None]
    difference: dict[str, Difference]


@dataclass(frozen=True)
class Comparison:
    """Methods compared on the same data, seeds and budget; `unfinished` says how many runs there are so far."""

    path: Path
    data: str
    split: str
    seeds: tuple[int, ...]
    baseline: str
    metrics: tuple[str, ...]
    methods: tuple[Method, ...]
    unfinished: str = ""
    command: str = ""
    """That made it."""

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each method and metric.

        The columns are ``mean`` and ``std`` over seeds, and the paired difference to the baseline: ``difference``, the
        ends of its 95 % interval ``low`` and ``high``, and the ``verdict`` in words. The baseline has no difference.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        rows = [(method, metric) for method in self.methods for metric in self.metrics]
        differences = [method.difference.get(metric) for method, metric in rows]
        return data_frame(
            {
                "method": [method.name for method, _ in rows],
                "metric": [metric for _, metric in rows],
                "mean": [method.mean.get(metric) for method, metric in rows],
                "std": [method.std.get(metric) for method, metric in rows],
                "difference": [difference and difference.mean for difference in differences],
                "low": [difference and difference.low for difference in differences],
                "high": [difference and difference.high for difference in differences],
                "verdict": [difference and difference.verdict for difference in differences],
            }
        )


def read_comparison(folder: str | Path) -> Comparison:
    """Read a comparison folder with the run folders of its methods and seeds.

    Arguments:
        folder: the folder that holds `comparison.json`.

    Returns:
        The comparison, methods in the order of the file.

    Raises:
        FileNotFoundError: if `comparison.json`, or a run folder that it names, is missing.
        ValueError: if a file is malformed; the message names the file and the field.

    Examples:
        >>> read_comparison("runs/demo").baseline  # doctest: +SKIP
        'ce+smooth_l1'
    """
    path = ComparisonFiles(folder).table
    if not path.is_file():
        raise FileNotFoundError(f"Expected a finished comparison with {path} but there is no such file")
    table = Fields(path, read_json(path))
    seeds = table.number_list("seeds")
    metrics = table.texts("metrics")
    methods = tuple(_read_method(of_method, metrics) for of_method in table.objects("methods"))
    names = [method.name for method in methods]
    baseline = table.text("baseline")
    if not methods or not metrics or not seeds or None in seeds:
        raise ValueError(f"Expected {path} to name at least one method, metric and seed, but got {names}, {seeds}")
    if baseline not in names or len(set(names)) < len(names):
        raise table.error("`baseline`", f"one of the different methods {names}", baseline)
    return Comparison(
        path=Path(folder),
        data=table.text("data", default=""),
        split=table.text("split", default=""),
        seeds=tuple(int(seed or 0) for seed in seeds),
        baseline=baseline,
        metrics=metrics,
        methods=methods,
        command=table.text("command", default=""),
        unfinished=_unfinished(table.number("runs_finished"), table.number("runs_planned")),
    )


def _unfinished(finished: float | None, planned: float | None) -> str:
    if finished is None or planned is None or finished >= planned:
        return ""
    return f"{finished:.0f} of {planned:.0f} runs are finished so far."


def _read_method(of_method: Fields, metrics: tuple[str, ...]) -> Method:
    runs = of_method.object("runs")
    if not runs.data:
        raise of_method.error(f"`{of_method.where}.runs`", "an object of seeds and run folders", runs.data)
    differences = of_method.object("difference")
    return Method(
        name=of_method.text("name"),
        runs=tuple(read_run(runs.inside(seed)) for seed in runs.data),
        mean=of_method.numbers("mean"),
        std=of_method.numbers("std"),
        difference={
            metric: difference
            for metric in metrics
            if (difference := _read_difference(differences.object(metric))) is not None
        },
    )


def _read_difference(of_metric: Fields) -> Difference | None:
    mean, low, high = (of_metric.number(key) for key in ("mean", "low", "high"))
    if mean is None:
        return None
    if (low is None) != (high is None) or (low is not None and high is not None and not low <= mean <= high):
        raise of_metric.error(f"`{of_metric.where}`", "a mean within its interval", of_metric.data)
    return Difference(mean, low, high)
