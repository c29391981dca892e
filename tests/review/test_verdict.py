"""Verdicts on a data set whose errors are known, from detections made up for it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.review.wrong_labels import MOVED, SPURIOUS, WRONG_CLASS, labels_with_errors

from torchghm.review.agreement import Detections
from torchghm.review.evidence import gather_evidence
from torchghm.review.verdict import find_wrong_labels, object_scores


@pytest.mark.parametrize("with_memory", [True, False])
def test_injected_errors_come_first_with_their_kind_and_suggestion(with_memory):
    data, detections, memory = labels_with_errors()
    memory = memory if with_memory else None
    found = find_wrong_labels(data, gather_evidence(data, detections, memory), memory)
    of_objects = {finding.annotation: finding for finding in found if finding.annotation >= 0}
    assert set(list(of_objects)[:3]) == {WRONG_CLASS, MOVED, SPURIOUS}
    wrong = of_objects[WRONG_CLASS]
    assert (wrong.kind, wrong.suggested_label) == ("wrong class", (int(data.labels[WRONG_CLASS]) + 2) % 3)
    assert of_objects[MOVED].kind == "misplaced"
    assert of_objects[MOVED].suggested_box == (5.0, 5.0, 25.0, 25.0)
    assert of_objects[SPURIOUS].kind == "spurious"
    missing = next(finding for finding in found if finding.kind == "missing")
    assert missing.image in (9, SPURIOUS // 3)
    assert all(0 <= finding.score <= 1 for finding in found)
    assert [finding.score for finding in found] == sorted((finding.score for finding in found), reverse=True)


def test_what_the_model_agrees_with_is_no_finding():
    data, detections, memory = labels_with_errors()
    scores = object_scores(data, gather_evidence(data, detections, memory), memory).sum(axis=1)
    right = np.delete(scores, [WRONG_CLASS, MOVED, SPURIOUS])
    assert right.max() < scores[[WRONG_CLASS, MOVED, SPURIOUS]].min()
    assert (right > 0.5).mean() < 0.05


def test_without_any_detection():
    data, detections, _ = labels_with_errors()
    nothing = [Detections(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0)) for _ in detections]
    found = find_wrong_labels(data, gather_evidence(data, nothing, None), None)
    assert {finding.kind for finding in found} <= {"spurious"}
