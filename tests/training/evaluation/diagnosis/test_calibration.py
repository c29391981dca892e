"""The calibration error of detections that can be counted by hand."""

import math

import numpy as np
import pytest

from torchghm.training.evaluation.diagnosis.calibration import reliability


def test_it_is_the_gap_between_score_and_precision():
    scores = np.array([0.75, 0.75, 0.75, 0.75, 0.15])
    cells = reliability(scores, np.array([True, True, True, False, False]))
    assert cells.detections.tolist() == [0, 1, 0, 0, 0, 0, 0, 4, 0, 0]
    assert (cells.score[7], cells.precision[7]) == (0.75, 0.75)
    assert cells.error == pytest.approx(0.15 / 5)


def test_a_score_of_one_is_in_the_last_tenth_and_nothing_has_no_error():
    assert reliability(np.array([1.0]), np.array([True])).error == 0.0
    assert math.isnan(reliability(np.zeros(0), np.zeros(0, dtype=bool)).error)
