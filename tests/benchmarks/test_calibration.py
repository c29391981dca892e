"""The table of the calibration benchmark, of detections small enough to count by hand."""

from __future__ import annotations

import numpy as np
from benchmarks.calibration import table_cells

from torchghm.training.evaluation.diagnosis.matching import Judged


def test_a_row_says_what_scores_are_worth():
    scores, right = np.array([0.95, 0.65, 0.25]), np.array([True, False, True])
    judged = Judged(scores, np.zeros(3, dtype=np.int64), right, np.array([2]))
    # |1 - 0.95|, |0 - 0.65| and |1 - 0.25| by tenth; all three kept, of them two right, F1 = 4 / 5; one of two at 0.5.
    assert table_cells(judged) == ["0.483", "0.60", "0.65", "0.800", "0.500", "0.13"]


def test_a_run_that_finds_nothing_has_empty_cells():
    nothing = Judged(np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), np.array([2]))
    assert table_cells(nothing) == ["nan", "", "", "", "0.000", ""]
