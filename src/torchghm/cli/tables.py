"""Results as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchghm.printable import printable
from torchghm.results.average_precision import METRIC_LABELS, points


def print_metrics(results: Mapping[str, Any], title: str) -> None:
    """Print average precision in points, overall and by class."""
    overall = Table(title=Text(f"{title}; AP in points"), title_justify="left")
    for label in METRIC_LABELS.values():
        overall.add_column(label.removeprefix("AP "), justify="right")
    overall.add_row(*(points(results["metrics"][name]) for name in METRIC_LABELS))
    by_class = Table("class", title="AP by class", title_justify="left")
    by_class.add_column("AP", justify="right")
    for name, value in results["per_class"].items():
        by_class.add_row(Text(printable(name)), points(value))
    console = Console()
    console.print(overall)
    console.print(by_class)
