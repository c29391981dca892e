"""Thresholds, errors, confusions and calibration of an evaluation as tables in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchghm.printable import printable
from torchghm.results.diagnosis import ERROR_KINDS, Diagnosis
from torchghm.results.evaluation import Evaluation

MOST_CLASSES = 12
"""Largest number of classes whose confusion matrix fits a terminal."""


def print_diagnosis(evaluation: Evaluation) -> None:
    """Print what there is beside the average precision."""
    diagnosis, console = evaluation.diagnosis, Console()
    console.print(_thresholds(diagnosis, evaluation.split))
    console.print(_errors(diagnosis))
    if len(diagnosis.by_class) <= MOST_CLASSES:
        console.print(_confusion(diagnosis))
    if diagnosis.calibration_error is not None:
        console.print(
            f"calibration error {diagnosis.calibration_error:.3f}: the mean distance between scores "
            "and the part of the detections that is right",
            highlight=False,
            soft_wrap=True,
        )


def _thresholds(diagnosis: Diagnosis, split: str) -> Table:
    table = _table(f"thresholds with the largest F1 on {diagnosis.chosen_on}, and what they give on {split}", "class")
    for column in ("objects", "threshold", "precision", "recall", "F1"):
        table.add_column(column, justify="right")
    for curve in (diagnosis.overall, *diagnosis.by_class):
        cells = (_number(curve.threshold, 2), *(_number(value) for value in (curve.precision, curve.recall, curve.f1)))
        table.add_row(Text(printable(curve.name) or "all together"), str(curve.objects), *cells)
    return table


def _errors(diagnosis: Diagnosis) -> Table:
    table = _table(f"errors at threshold {diagnosis.threshold:.2f}", "class")
    for label in ERROR_KINDS.values():
        table.add_column(label, justify="right")
    table.add_row("all together", *(str(sum(diagnosis.errors[kind].values())) for kind in ERROR_KINDS))
    for curve in diagnosis.by_class:
        table.add_row(Text(printable(curve.name)), *(str(diagnosis.errors[kind][curve.name]) for kind in ERROR_KINDS))
    return table


def _confusion(diagnosis: Diagnosis) -> Table:
    names = [*(printable(curve.name) for curve in diagnosis.by_class), "background"]
    table = _table(f"confusions at threshold {diagnosis.threshold:.2f}", "true class \\ detected as")
    for name in names:
        table.add_column(Text(name), justify="right")
    for name, row in zip(names, diagnosis.confusion, strict=True):
        table.add_row(Text(name), *map(str, row[:-1]), "" if name == names[-1] else str(row[-1]))
    return table


def _table(title: str, first: str) -> Table:
    return Table(first, title=Text(printable(title)), title_justify="left")


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
