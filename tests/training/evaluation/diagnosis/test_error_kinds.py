"""Kinds of errors against the definition, and one of each by hand."""

import pytest
from tests.oracles.detection_errors import Detection, Object, error_kinds
from tests.training.evaluation.diagnosis.random_images import random_image, seen

from torchghm.training.evaluation.diagnosis.error_kinds import errors_of
from torchghm.training.evaluation.diagnosis.matching import match_image


@pytest.mark.parametrize("seed", range(60))
def test_every_error_is_of_one_kind(seed):
    detections, objects = random_image(seed)
    image = match_image(seen(detections, objects))
    errors, expected = errors_of(image), error_kinds(detections, objects)
    assert {kind: sorted(labels.tolist()) for kind, labels in errors._asdict().items()} == {
        kind: sorted(labels) for kind, labels in expected.items()
    }
    wrong = sum(map(len, errors[1:]))
    assert wrong + image.right.sum() == len(image.labels)


def test_one_of_each_kind():
    def at(left: float) -> tuple[float, float, float, float]:
        return left, 0.0, left + 10, 10.0

    objects = [Object(at(0), 0, False), Object(at(20), 0, False), Object(at(40), 1, False), Object(at(60), 1, False)]
    detections = [
        Detection(at(0), 0, 0.9),
        Detection(at(1), 0, 0.8),  # the same object again
        Detection(at(20), 1, 0.7),  # a zero taken for a one
        Detection(at(46), 1, 0.6),  # beside its object
        Detection(at(80), 1, 0.5),  # on nothing
    ]
    errors = errors_of(match_image(seen(detections, objects)))
    assert [labels.tolist() for labels in errors] == [[1], [1], [1], [0], [1]]
    assert errors.total == 5
