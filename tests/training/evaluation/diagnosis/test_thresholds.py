"""Precision, recall and F1 against counts one by one."""

import math

import numpy as np
import pytest

from torchghm.results.diagnosis import THRESHOLDS
from torchghm.training.evaluation.diagnosis.thresholds import best_threshold, precision_recall


@pytest.mark.parametrize("seed", range(5))
def test_counts_at_every_threshold(seed):
    draw = np.random.default_rng(seed)
    # Scores on the thresholds too: such a detection is kept.
    scores = np.concatenate([draw.random(40), draw.choice(THRESHOLDS, 40)]).astype(np.float32).astype(np.float64)
    right, objects = draw.random(80) < scores, 70
    curve = precision_recall(scores, right, objects)
    for row, threshold in enumerate(THRESHOLDS):
        kept = [index for index in range(80) if np.float32(scores[index]) >= np.float32(threshold)]
        found = sum(bool(right[index]) for index in kept)
        assert curve.recall[row] == pytest.approx(found / objects)
        assert curve.f1[row] == pytest.approx(2 * found / (len(kept) + objects))
        assert (
            math.isnan(curve.precision[row]) if not kept else curve.precision[row] == pytest.approx(found / len(kept))
        )
    assert curve.f1[THRESHOLDS.index(best_threshold(curve.f1))] == curve.f1.max()


def test_of_equally_good_thresholds_the_middle_one_is_chosen():
    curve = precision_recall(np.array([0.875, 0.25]), np.array([True, False]), 1)
    assert best_threshold(curve.f1) == 0.57  # of 0.26, 0.27, ..., 0.87


def test_without_objects_or_without_finds_there_is_no_best():
    assert best_threshold(precision_recall(np.array([0.9]), np.array([False]), 3).f1) is None
    assert best_threshold(precision_recall(np.array([0.9]), np.array([False]), 0).f1) is None
