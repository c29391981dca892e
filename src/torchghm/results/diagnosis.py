"""Diagnosis that `torchghm eval` writes beside the AP: thresholds, confusions, calibration, kinds of errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torchghm.results.frames import data_frame
from torchghm.results.json_fields import Fields

if TYPE_CHECKING:
    import pandas as pd

THRESHOLDS: tuple[float, ...] = tuple(hundredth / 100 for hundredth in range(1, 100))
"""Scores that a curve is measured at, and of which the best is chosen."""

ERROR_KINDS = {
    "missed": "missed",
    "wrong_class": "wrong class",
    "badly_placed": "badly placed",
    "duplicate": "duplicate",
    "on_background": "on background",
}
"""Labels of the kinds of errors by their names in the file."""


@dataclass(frozen=True)
class ScoreCurve:
    """Precision and recall of a class, or of all classes together, over the threshold of the score.

    Attributes:
        name: of the class, "" for all.
        objects: number of objects of the evaluated split.
        threshold: with the largest F1 on the split that thresholds are chosen on; None where nothing is found there.
        precision: at that threshold, on the evaluated split, in [0, 1]; so are the following. None where undefined.
        recall: likewise.
        f1: likewise.
        precisions: at each of `THRESHOLDS`.
        recalls: likewise.
    """

    name: str
    objects: int
    threshold: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    precisions: tuple[float | None, ...]
    recalls: tuple[float | None, ...]


@dataclass(frozen=True)
class ReliabilityCell:
    """The detections with a score in a tenth of [0, 1]: their number, mean score, and the part that is right."""

    detections: int
    score: float | None
    precision: float | None


@dataclass(frozen=True)
class Diagnosis:
    """Thresholds, confusions, calibration and errors of a detector on a split.

    Attributes:
        overlap: intersection over union from which a detection is right.
        chosen_on: split that thresholds are chosen on.
        threshold: of ``confusion`` and ``errors``: that of ``overall``, 0.5 where it has none.
        overall: of all classes together.
        by_class: in the order of the labels.
        confusion: [K + 1][K + 1] counts, a row for each true class and a column for each detected one, background last.
        errors: kind -> class -> count.
        calibration_error: mean over detections of |precision - mean score| in their tenth; None without detections.
        reliability: of the ten tenths.
    """

    overlap: float
    chosen_on: str
    threshold: float
    overall: ScoreCurve
    by_class: tuple[ScoreCurve, ...]
    confusion: tuple[tuple[int, ...], ...]
    errors: dict[str, dict[str, int]]
    calibration_error: float | None
    reliability: tuple[ReliabilityCell, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each class: objects, threshold, precision, recall, F1, and the errors of each kind.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        columns = ("objects", "threshold", "precision", "recall", "f1")
        table: dict[str, Any] = {"class": [curve.name for curve in self.by_class]}
        table |= {column: [getattr(curve, column) for curve in self.by_class] for column in columns}
        table |= {kind: [counts[curve.name] for curve in self.by_class] for kind, counts in self.errors.items()}
        return data_frame(table, "class")


def read_diagnosis(of_file: Fields) -> Diagnosis:
    """Return a diagnosis from its JSON.

    Raises:
        ValueError: a malformed field; file and field are named.
    """
    by_class = tuple(_read_curve(curve) for curve in of_file.objects("by_class"))
    size = len(by_class) + 1
    rows = [Fields(of_file.path, {"row": row}, "confusion") for row in of_file.array("confusion")]
    confusion = tuple(tuple(round(count or 0) for count in row.number_list("row", length=size)) for row in rows)
    if len(confusion) != size:
        raise of_file.error("`confusion`", f"{size} rows", len(confusion))
    errors = of_file.object("errors")
    return Diagnosis(
        overlap=_needed(of_file, "overlap"),
        chosen_on=of_file.text("chosen_on"),
        threshold=_needed(of_file, "threshold"),
        overall=_read_curve(of_file.object("overall")),
        by_class=by_class,
        confusion=confusion,
        errors={
            kind: {name: round(count or 0) for name, count in errors.numbers(kind).items()} for kind in ERROR_KINDS
        },
        calibration_error=of_file.number("calibration_error"),
        reliability=tuple(
            ReliabilityCell(round(_needed(cell, "detections")), cell.number("score"), cell.number("precision"))
            for cell in of_file.objects("reliability")
        ),
    )


def _read_curve(of_curve: Fields) -> ScoreCurve:
    return ScoreCurve(
        of_curve.text("name"),
        round(_needed(of_curve, "objects")),
        of_curve.number("threshold"),
        of_curve.number("precision"),
        of_curve.number("recall"),
        of_curve.number("f1"),
        tuple(of_curve.number_list("precisions", length=len(THRESHOLDS))),
        tuple(of_curve.number_list("recalls", length=len(THRESHOLDS))),
    )


def _needed(fields: Fields, key: str) -> float:
    value = fields.number(key)
    if value is None:
        raise fields.error(f"`{key}`", "a number", value)
    return value
