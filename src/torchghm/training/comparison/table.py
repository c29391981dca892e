"""The table of a comparison, from the results of its runs: as `comparison.json` holds it, and rendered from that."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torchghm.results.average_precision import METRIC_LABELS
from torchghm.results.difference import Difference
from torchghm.training.comparison.statistics import paired_difference, summarize

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = ("ap", "ap50", "ap75")

RunResults = Mapping[str, Any]
"""The contents of a ``results.json``."""
ComparisonTable = Mapping[str, Any]
"""The contents of a ``comparison.json``."""


def tabulate(
    runs: Mapping[str, Mapping[int, tuple[str, RunResults]]], *, baseline: str, seeds: Sequence[int]
) -> dict[str, Any]:
    """Compute mean, spread and paired difference of every method, over the same seeds for all of them.

    While runs are missing, these are the seeds that every method has finished. Before there is one, it is the first
    seed, with the methods that have finished it: means over unlike seeds would compare seeds, not methods.

    Arguments:
        runs: method (``"ghmc+ghmr"``) -> seed -> (run folder, relative; its results). Methods in the table's order.
        baseline: the method to compare with; it has finished a seed if any method has.
        seeds: all that were asked for.

    Returns:
        The results in `comparison.json`: seeds, baseline, metrics, methods, and how many runs there are.

    Raises:
        ValueError: a result that is not a finite number (or None).
    """
    finished = [seed for seed in seeds if all(seed in of_method for of_method in runs.values())]
    begun = finished or [seed for seed in seeds if seed in runs[baseline]][:1]
    rows = {name: of_method for name, of_method in runs.items() if all(seed in of_method for seed in begun)}
    values = {
        name: {metric: [of_method[seed][1]["metrics"].get(metric) for seed in begun] for metric in METRIC_LABELS}
        for name, of_method in rows.items()
    }
    return {
        "seeds": begun,
        "baseline": baseline,
        "metrics": list(SHOWN),
        "runs_finished": sum(len(of_method) for of_method in runs.values()),
        "runs_planned": len(runs) * len(seeds),
        "budget": _budget([of_method[seed][1] for of_method in rows.values() for seed in begun]),
        "methods": [
            _row(name, of_method, begun, values[name], None if name == baseline else values[baseline])
            for name, of_method in rows.items()
        ],
    }


def _budget(results: Sequence[RunResults]) -> str:
    """Return epochs and steps of a run as text; all of them if runs differ, which the reader must know."""
    amounts = {}
    for unit in ("epochs", "steps"):
        numbers = sorted({result[unit] for result in results})
        amounts[unit if numbers != [1] else unit.removesuffix("s")] = " or ".join(f"{number:,}" for number in numbers)
    return ", ".join(f"{numbers} {unit}" for unit, numbers in amounts.items())


def _row(
    name: str,
    runs: Mapping[int, tuple[str, RunResults]],
    seeds: Sequence[int],
    values: Mapping[str, list[float | None]],
    baseline: Mapping[str, list[float | None]] | None,
) -> dict[str, Any]:
    cls, box = (runs[seeds[0]][1][kind] for kind in ("cls", "box"))
    summaries = {metric: summarize(of_metric) for metric, of_metric in values.items()}
    differences = None
    if baseline is not None:
        differences = {
            metric: asdict(paired_difference(of_metric, baseline[metric])) for metric, of_metric in values.items()
        }
    return {
        "name": name,
        "cls": cls,
        "box": box,
        "runs": {str(seed): runs[seed][0] for seed in seeds},
        "values": values,
        "mean": {metric: summary.mean for metric, summary in summaries.items()},
        "std": {metric: summary.std for metric, summary in summaries.items()},
        "difference": differences,
    }


def comparison_csv(comparison: ComparisonTable) -> str:
    """Return ``comparison.csv``: one row a method and metric, values in 0..1, empty cells where there is nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "cls", "box", "metric", "seeds", "mean", "std", "difference", "low", "high", "verdict"])
    for row in comparison["methods"]:
        for metric in row["mean"]:
            cells = [row["name"], row["cls"], row["box"], metric, len(comparison["seeds"])]
            cells += [row["mean"][metric], row["std"][metric]]
            if row["difference"] is not None:
                difference = Difference(**row["difference"][metric])
                cells += [difference.mean, difference.low, difference.high, difference.verdict]
            writer.writerow(cells + [""] * (11 - len(cells)))
    return text.getvalue()


def comparison_markdown(comparison: ComparisonTable) -> str:
    """Return ``comparison.md``: results and differences in points (x 100), and how they were made."""
    metrics, seeds = comparison["metrics"], comparison["seeds"]
    results = [
        [row["name"], *(_mean_and_std(row["mean"][metric], row["std"][metric]) for metric in metrics)]
        for row in comparison["methods"]
    ]
    differences = [
        [row["name"], *(_difference(row["difference"][metric]) for metric in metrics)]
        for row in comparison["methods"]
        if row["difference"] is not None
    ]
    versions = ", ".join(f"{name} {version}" for name, version in comparison["versions"].items())
    facts = {
        "Data": f"`{comparison['data']}`",
        "Split": comparison["split"],
        "Budget": comparison["budget"],
        "Seeds": ", ".join(map(str, seeds)),
        "Versions": versions,
    }
    labels = [METRIC_LABELS.get(metric, metric) for metric in metrics]
    spread = "mean ± standard deviation over seeds" if len(seeds) > 1 else "one seed"
    lines = [f"# {', '.join(row['name'] for row in comparison['methods'])} on {comparison['data']}", ""]
    if comparison["runs_finished"] < comparison["runs_planned"]:
        lines += [_progress(comparison), ""]
    lines += [f"In points (x 100), {spread}:", "", *_rows(["method", *labels], results), ""]
    if differences:
        lines += [
            f"Difference to {comparison['baseline']}, paired by seed, with its 95 % interval (Student's t):",
            "",
            *_rows(["method", *labels], differences),
            "",
        ]
    lines += [f"- {name}: {fact}" for name, fact in facts.items() if fact]
    lines += ["", "Made by:", "", *(f"    {line}" for line in comparison["command"].splitlines())]
    return "\n".join(lines) + "\n"


def terminal_table(comparison: ComparisonTable) -> Table:
    """Return a table for a terminal: results, and the verdict of the first metric.

    Arguments:
        comparison: the contents of `comparison.json`.

    Examples:
        >>> import json, rich  # doctest: +SKIP
        >>> rich.print(terminal_table(json.loads(Path("comparison/comparison.json").read_text())))  # doctest: +SKIP
    """
    from rich.table import Table
    from rich.text import Text

    metrics, baseline = comparison["metrics"], comparison["baseline"]
    label = METRIC_LABELS.get(metrics[0], metrics[0])
    title = f"{comparison['data']}, {comparison['split']}; seeds {', '.join(map(str, comparison['seeds']))}; points"
    partial = comparison["runs_finished"] < comparison["runs_planned"]
    table = Table(title=Text(title), caption=Text(_progress(comparison)) if partial else None)
    table.add_column("method", no_wrap=True)
    for metric in metrics:
        table.add_column(METRIC_LABELS.get(metric, metric), justify="right")
    table.add_column(f"{label} against {baseline} (95 %)")
    styles = {"better": "green", "worse": "red"}
    for row in comparison["methods"]:
        cells = [_mean_and_std(row["mean"][metric], row["std"][metric]) for metric in metrics]
        if row["difference"] is None:
            verdict = Text("baseline", style="dim")
        else:
            difference = row["difference"][metrics[0]]
            verdict = Text(_difference(difference), style=styles.get(Difference(**difference).verdict, ""))
        table.add_row(row["name"], *cells, verdict)
    return table


def _progress(comparison: ComparisonTable) -> str:
    return (
        f"{comparison['runs_finished']} of {comparison['runs_planned']} runs are finished; "
        "the table has the seeds that all of its methods share."
    )


def _mean_and_std(mean: float | None, std: float | None) -> str:
    if mean is None:
        return "–"
    return f"{100 * mean:.1f}" + ("" if std is None else f" ± {100 * std:.1f}")


def _difference(of_metric: Mapping[str, float | None]) -> str:
    # Two decimals: with one, an interval that excludes zero could read as if it touched it.
    difference = Difference(**of_metric)
    if difference.mean is None:
        return "–"
    interval = ""
    if difference.low is not None and difference.high is not None:
        interval = f" [{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]"
    return f"{100 * difference.mean:+.2f}{interval} {difference.verdict}"


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
