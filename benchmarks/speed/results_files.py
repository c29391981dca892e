"""Files of a benchmark run: a table for readers, one for programs, and plots."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks.speed.measure import Row

COLUMNS = ("benchmark", "candidate", "numbers", "regions", "p20_ms", "p50_ms", "p80_ms", "runs", "extra_mib")
OURS = "GHM-C"


def write_csv(path: Path, rows: Iterable[Row], settings: Mapping[str, str]) -> None:
    """Write every row with everything that it depends on."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *settings])
        for row in rows:
            extra = "" if row.extra_mib is None else f"{row.extra_mib:.1f}"
            times = [f"{time:.4f}" for time in row.milliseconds]
            numbers = [row.numbers, row.regions, *times, row.runs, extra]
            writer.writerow([row.benchmark, row.candidate, *numbers, *settings.values()])


def write_markdown(path: Path, rows: Sequence[Row], settings: Mapping[str, str], command: str) -> None:
    """Write a table for each benchmark; its last columns compare the candidate with ours in the same run."""
    lines = ["# Speed and memory of the losses", "", f"`{command}`; forward and backward, medians of turns.", ""]
    lines += [f"- {name}: {value}" for name, value in settings.items()]
    for benchmark, group in groupby(rows, key=lambda row: (row.benchmark, row.numbers, row.regions)):
        lines += ["", f"## {benchmark[0]}: {benchmark[1]:,} numbers, {benchmark[2]} regions", ""]
        lines += table(list(group))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(rows: Sequence[Row]) -> list[str]:
    """Return the Markdown lines of one benchmark, in the order it was run."""
    ours = next((row.milliseconds[1] for row in rows if row.candidate.startswith("GHM")), None)
    lines = [
        "| candidate | p50 ms | p20 to p80 | ns a number | against ours | extra MiB | runs |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        p20, p50, p80 = row.milliseconds
        ratio = "" if ours is None else f"{p50 / ours:.2f} x"
        extra = "" if row.extra_mib is None else f"{row.extra_mib:,.0f}"
        lines.append(
            f"| {row.candidate} | {p50:.4g} | {p20:.4g} to {p80:.4g} | {p50 * 1e6 / row.numbers:.3g} | {ratio} | "
            f"{extra} | {row.runs} |"
        )
    return lines


def plot(path: Path, rows: Sequence[Row], *, against: str) -> None:
    """Draw time against ``"numbers"`` or ``"regions"``, a line a candidate; nothing where neither was measured."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.benchmark == {"numbers": "growth", "regions": "regions"}[against]:
            lines.setdefault(row.candidate, []).append((getattr(row, against), row.milliseconds[1]))
    if not lines:
        return
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for candidate, points in lines.items():
        ours = candidate.startswith(OURS)
        axes.loglog(*zip(*sorted(points), strict=True), marker="o", label=candidate, linewidth=2.5 if ours else 1.2)
    axes.set_xlabel({"numbers": "logits N", "regions": "unit regions M"}[against])
    axes.set_ylabel("forward + backward, ms")
    axes.grid(alpha=0.3, which="both", linewidth=0.5)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path)
    plt.close(figure)
