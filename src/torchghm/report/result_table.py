"""The table of a comparison and the sentence above it, which says what the intervals show."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torchghm.report.figures.palette import method_colors, method_label
from torchghm.results.average_precision import METRIC_LABELS
from torchghm.results.comparison import Comparison, Method
from torchghm.results.run import Run


@dataclass(frozen=True)
class Cell:
    """A result in the table: its value, and beside a baseline the difference, the interval and the verdict."""

    value: str
    difference: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Row:
    """A method's row of the table; `color` is a palette entry, `training` the mean time of a run."""

    label: str
    color: str
    is_baseline: bool
    cells: list[Cell]
    training: str


def table_rows(comparison: Comparison) -> list[Row]:
    """Return a row for each method, in the order of the comparison."""
    colors = method_colors(method.name for method in comparison.methods)
    return [
        Row(
            label=method_label(method.name),
            color=colors[method.name],
            is_baseline=method.name == comparison.baseline,
            cells=[_cell(method, metric, len(comparison.seeds)) for metric in comparison.metrics],
            training=duration(method.runs),
        )
        for method in comparison.methods
    ]


def _cell(method: Method, metric: str, seeds: int) -> Cell:
    mean, std, difference = method.mean.get(metric), method.std.get(metric), method.difference.get(metric)
    value = score(mean) + (f" ± {100 * std:.1f}" if seeds > 1 and std is not None and mean is not None else "")
    if difference is None or difference.mean is None:
        return Cell(value)
    shown = f"{_signed(difference.mean)}"
    if difference.low is not None and difference.high is not None:
        shown += f" [{_signed(difference.low)}, {_signed(difference.high)}]"
    return Cell(value, shown, difference.verdict)


def lead(comparison: Comparison) -> str:
    """Return the comparison's result in its first metric, in a sentence or two."""
    metric = comparison.metrics[0]
    label, baseline = METRIC_LABELS.get(metric, metric), method_label(comparison.baseline)
    by_verdict: dict[str, list[str]] = {}
    for method in comparison.methods:
        if (difference := method.difference.get(metric)) is not None:
            by_verdict.setdefault(difference.verdict, []).append(method_label(method.name))
    if not by_verdict:
        return f"There is nothing to compare with {baseline}."
    if "one seed: no interval" in by_verdict:
        return (
            f"One seed each: how much of a difference to {baseline} is chance, nobody can say. "
            "Run more seeds before you decide."
        )
    said = []
    for verdict in ("better", "worse", "no difference shown"):
        if names := by_verdict.get(verdict):
            which = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
            are = "is" if len(names) == 1 else "are"
            said.append(
                f"for {which} no difference is shown" if verdict.startswith("no") else f"{which} {are} {verdict}"
            )
    seeds = len(comparison.seeds)
    return f"Compared with {baseline} in {label} over {seeds} seeds (95% intervals): {'; '.join(said)}."


def more_seeds(comparison: Comparison) -> str:
    """Return the command that adds seeds to a comparison; empty if it was not made by a command."""
    if not comparison.command.startswith("torchghm "):
        return ""
    # Without --overwrite, which would remove the runs that there are.
    return re.sub(r" (--seeds[ =]\d+|--overwrite)(?= |$)", "", comparison.command) + " --seeds 5"


def score(value: float | None) -> str:
    """Format an average precision in points, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def duration(runs: tuple[Run, ...]) -> str:
    """Format the mean training time of the runs that know it."""
    seconds = [run.seconds for run in runs if run.seconds is not None]
    mean = sum(seconds) / len(seconds) if seconds else None
    return "" if mean is None else f"{mean / 60:.1f} min" if mean >= 60 else f"{mean:.0f} s"
