"""Whether a score is the probability that the detection is right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchghm.results.arrays import Array

CELLS = 10
"""Equal parts of the range of scores."""


class Reliability(NamedTuple):
    """The detections of each tenth of the range of scores.

    Attributes:
        detections: [10], their number.
        score: [10], their mean score; nan where there are none.
        precision: [10], the part of them that is right; nan likewise.
    """

    detections: NDArray[np.int64]
    score: Array
    precision: Array

    @property
    def error(self) -> float:
        """Expected calibration error: the mean over detections of |precision - mean score| in their tenth; or nan."""
        gap = np.nan_to_num(np.abs(self.precision - self.score)) * self.detections
        return float(gap.sum() / self.detections.sum()) if self.detections.sum() else float("nan")


def reliability(scores: Array, right: NDArray[np.bool_]) -> Reliability:
    """Sort detections into tenths of the range of scores.

    Arguments:
        scores: [D] in [0, 1].
        right: [D].

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.

    Examples:
        >>> import numpy as np
        >>> round(reliability(np.array([0.75, 0.75]), np.array([True, False])).error, 3)
        0.25
    """
    cell = np.clip((scores * CELLS).astype(np.int64), 0, CELLS - 1)
    count = np.bincount(cell, minlength=CELLS)
    means = [
        np.divide(
            np.bincount(cell, weights=values, minlength=CELLS), count, out=np.full(CELLS, np.nan), where=count > 0
        )
        for values in (scores, right.astype(np.float64))
    ]
    return Reliability(count, means[0], means[1])
