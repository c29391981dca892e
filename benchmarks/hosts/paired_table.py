"""Scores of several losses and seeds as a Markdown table: means, and differences seed by seed with their interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torchghm.training.comparison.statistics import paired_difference, summarize

Scores = Mapping[str, Sequence[Mapping[str, float]]]
"""Metrics of every loss, one mapping a seed, in percent by name. The first loss is the baseline."""


def paired_table(scores: Scores) -> list[str]:
    """Return the lines of a table: mean ± standard deviation, and the difference to the first loss [95 % interval]."""
    baseline, *_ = scores
    metrics = list(scores[baseline][0])
    columns = [cell for metric in metrics for cell in (metric, f"against {baseline}")]
    lines = [f"| loss | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for loss, seeds in scores.items():
        cells = [loss]
        for metric in metrics:
            values = [seed[metric] for seed in seeds]
            summary = summarize(values)
            spread = "" if summary.std is None else f" ± {summary.std:.1f}"
            cells.append(f"{summary.mean:.1f}{spread}")
            if loss == baseline:
                cells.append("")
                continue
            difference = paired_difference(values, [seed[metric] for seed in scores[baseline]])
            interval = "" if difference.low is None else f" [{difference.low:+.1f}, {difference.high:+.1f}]"
            cells.append(f"{difference.mean:+.1f}{interval}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines
