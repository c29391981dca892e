"""What the calibration benchmark computes, on detections small enough to count by hand."""

from __future__ import annotations

import pytest
import torch
from benchmarks.calibration import Judged, best_f1, calibration_error, f1, judge_image

from torchghm.training.loop.average_precision import SeenImage

FIRST, SECOND = [0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]


def seen(detections: list[tuple[list[float], float, int]], objects: list[tuple[list[float], int, int]]) -> SeenImage:
    boxes, scores, labels = zip(*detections, strict=True)
    object_boxes, object_labels, crowd = zip(*objects, strict=True)
    return SeenImage(
        {"boxes": torch.tensor(boxes), "scores": torch.tensor(scores), "labels": torch.tensor(labels)},
        {
            "boxes": torch.tensor(object_boxes),
            "labels": torch.tensor(object_labels),
            "iscrowd": torch.tensor(crowd),
            "area": torch.full((len(objects),), 100.0),
        },
    )


def test_an_object_is_found_once_by_the_highest_score_and_by_its_class_alone() -> None:
    detections = [(FIRST, 0.3, 0), (FIRST, 0.9, 0), (SECOND, 0.8, 1)]
    judged = judge_image(seen(detections, [(FIRST, 0, 0), (SECOND, 0, 0)]))
    assert judged.scores.tolist() == pytest.approx([0.9, 0.8, 0.3])
    assert judged.right.tolist() == [True, False, False]
    assert judged.objects == 2


def test_a_crowd_is_no_object() -> None:
    judged = judge_image(seen([(FIRST, 0.9, 0)], [(FIRST, 0, 1)]))
    assert judged.right.tolist() == [False]
    assert judged.objects == 0


def test_calibration_error_is_the_gap_between_score_and_precision() -> None:
    scores = torch.tensor([0.75, 0.75, 0.75, 0.75, 0.15])
    assert calibration_error(scores, torch.tensor([True, True, True, False, False])) == pytest.approx(0.15 / 5)
    assert calibration_error(torch.tensor([1.0]), torch.tensor([True])) == 0.0
    assert calibration_error(torch.zeros(0), torch.zeros(0, dtype=torch.bool)) == 0.0


def test_f1_counts_what_is_kept_and_what_was_there() -> None:
    judged = Judged(torch.tensor([0.9, 0.6, 0.2]), torch.tensor([True, False, True]), 2)
    assert f1(judged, 0.5) == pytest.approx(2 * 1 / (2 + 2))
    assert f1(judged, 0.7) == pytest.approx(2 * 1 / (1 + 2))
    best, threshold = best_f1(judged)
    assert best == pytest.approx(2 * 2 / (3 + 2))
    assert threshold <= 0.2
