"""Results of `check_data` as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from torchghm.data.problem_kinds import KINDS
from torchghm.printable import printable

if TYPE_CHECKING:
    from torchghm.data.reporting.check import DataCheck


def tables(check: DataCheck, shown: int) -> Group:
    """Return everything as tables for `rich.console.Console.print`, at most `shown` files for each problem."""
    verdict = Text("usable", "bold green") if check.usable else Text("not usable", "bold red")
    parts: list[Table | Text] = [Text(printable(f"{check.root} ({check.layout}): ")) + verdict]
    if check.splits:
        parts += [_counts(check), _balance(check)]
    if check.problems:
        parts.append(_problems(check, shown))
    else:
        parts.append(Text("no problems found"))
    return Group(*parts)


def _counts(check: DataCheck) -> Table:
    table = Table(title="Splits", title_justify="left")
    table.add_column("split")
    for heading in ("images", "without boxes", "boxes", "crowds", "small", "medium", "large"):
        table.add_column(heading, justify="right")
    for name, count in check.splits.items():
        sizes = (count.small, count.medium, count.large)
        numbers = (count.images, count.images_without_boxes, count.boxes, count.crowds, *sizes)
        table.add_row(Text(printable(name)), *(f"{number:,}" for number in numbers))
    return table


def _balance(check: DataCheck) -> Table:
    table = Table(title="Boxes by class", title_justify="left")
    table.add_column("class")
    for name in check.splits:
        table.add_column(Text(printable(name)), justify="right")
    for label, name in enumerate(check.classes):
        cells = (
            f"{count.by_class[label]:,} ({count.by_class[label] / max(count.boxes, 1):.1%})"
            for count in check.splits.values()
        )
        table.add_row(Text(printable(name)), *cells)
    return table


def _problems(check: DataCheck, shown: int) -> Table:
    table = Table(title="Problems", title_justify="left", show_lines=True)
    for heading in ("kind", "count", "where"):
        # The text of where is copied, the meaning only read: it may wrap.
        width = 28 if heading == "kind" else None
        table.add_column(heading, justify="right" if heading == "count" else "left", overflow="fold", max_width=width)
    for what in dict.fromkeys(problem.what for problem in check.problems):
        same = [problem for problem in check.problems if problem.what == what]
        kind = KINDS[what]
        lines = [printable(" ".join(f"{problem.file}: {problem.detail}".split())) for problem in same[:shown]]
        if len(same) > shown:
            lines.append(f"... and in {len(same) - shown} more files")
        colour = {"error": "bold red", "warning": "yellow", "note": "cyan"}[kind.severity]
        text = Text(what, colour) + Text(f"\n{kind.meaning}\nremedy: {kind.remedy}", "default")
        table.add_row(text, f"{sum(problem.count for problem in same):,}", Text("\n".join(lines)))
    return table
