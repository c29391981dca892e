"""An evaluation of a detector on a split, as `torchghm eval` makes it: average precision and a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchghm.results.diagnosis import Diagnosis, read_diagnosis
from torchghm.results.frames import data_frame
from torchghm.results.json_fields import Fields, read_json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluation:
    """Average precision of a checkpoint, overall and by class, in 0..1; None where there is nothing to find.

    Attributes:
        checkpoint: the file.
        split: of the data; several are joined by commas.
        images: number of images.
        classes: names, in the order of the labels.
        metrics: ap, ap50, ap75, ap_small, ap_medium and ap_large.
        per_class: AP by the class's name.
        diagnosis: thresholds, confusions, calibration and errors.
    """

    checkpoint: str
    split: str
    images: int
    classes: tuple[str, ...]
    metrics: dict[str, float | None]
    per_class: dict[str, float | None]
    diagnosis: Diagnosis

    def to_pandas(self) -> pd.DataFrame:
        """Return the AP of every class, a row each.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        names = list(self.classes)
        return data_frame({"class": names, "ap": [self.per_class.get(name) for name in names]}, "class")


def read_evaluation(path: Path) -> Evaluation | None:
    """Return the contents of ``evaluation.json``, None where there is no such file.

    Raises:
        ValueError: a malformed file; file and field are named.
    """
    if not path.is_file():
        return None
    of_file = Fields(path, read_json(path))
    return Evaluation(
        of_file.text("checkpoint"),
        of_file.text("split"),
        round(of_file.number("images") or 0),
        of_file.texts("classes"),
        of_file.numbers("metrics"),
        of_file.numbers("per_class"),
        read_diagnosis(of_file.object("diagnosis")),
    )
