"""Matches against the definition, and against COCO's own evaluation."""

import numpy as np
import pytest
from tests.oracles.detection_errors import Detection, Object, outcomes
from tests.training.evaluation.diagnosis.random_images import CLASSES, random_image, seen

from torchghm.training.evaluation.diagnosis.matching import judge, match_image
from torchghm.training.loop.average_precision import average_precision

BOX, ELSEWHERE = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)


@pytest.mark.parametrize("seed", range(60))
def test_every_detection_finds_what_the_definition_says(seed):
    detections, objects = random_image(seed)
    image, expected = match_image(seen(detections, objects)), outcomes(detections, objects)
    assert image.scores.tolist() == [detection.score for detection, _ in expected]
    assert image.labels.tolist() == [detection.label for detection, _ in expected]
    real = [thing for thing in objects if not thing.crowd]
    assert [None if index < 0 else real[index] for index in image.matched] == [found for _, found in expected]


def test_an_object_is_found_once_by_the_highest_score_and_by_its_class_alone():
    detections = [Detection(BOX, 0, 0.25), Detection(BOX, 0, 0.75), Detection(ELSEWHERE, 1, 0.5)]
    image = match_image(seen(detections, [Object(BOX, 0, False), Object(ELSEWHERE, 0, False)]))
    assert image.scores.tolist() == [0.75, 0.5, 0.25]
    assert image.matched.tolist() == [0, -1, -1]
    assert image.above(0.5).scores.tolist() == [0.75, 0.5]


def test_a_detection_in_a_crowd_of_its_class_is_neither_right_nor_wrong():
    image = match_image(
        seen([Detection(BOX, 0, 0.9), Detection(BOX, 1, 0.8)], [Object((0.0, 0.0, 50.0, 5.0), 0, True)])
    )
    assert image.labels.tolist() == [1]
    assert judge([image], 2).objects.tolist() == [0, 0]


def test_right_detections_give_the_average_precision_of_coco():
    images = [seen(*random_image(seed)) for seed in range(40)]
    judged = judge([match_image(image) for image in images], CLASSES)
    values = []
    for label in range(CLASSES):
        own = judged.labels == label
        order = np.argsort(-judged.scores[own], kind="stable")
        right = np.cumsum(judged.right[own][order])
        precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
        place = np.searchsorted(right / judged.objects[label], np.linspace(0, 1, 101))
        values.append(np.append(precision, 0.0)[np.minimum(place, len(precision))].mean())
    measured = average_precision(images, ("a", "b", "c")).metrics["ap50"]
    assert measured == pytest.approx(np.mean(values), abs=1e-6)
