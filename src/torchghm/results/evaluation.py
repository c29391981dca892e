"""The average precision of a detector on a split, as `torchghm eval` measures it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchghm.results.frames import data_frame

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
    """

    checkpoint: str
    split: str
    images: int
    classes: tuple[str, ...]
    metrics: dict[str, float | None]
    per_class: dict[str, float | None]

    def to_pandas(self) -> pd.DataFrame:
        """Return the AP of every class, a row each.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        names = list(self.classes)
        return data_frame({"class": names, "ap": [self.per_class.get(name) for name in names]}, "class")
