"""Features that say the same whatever scale a training's scores and losses are on."""

from __future__ import annotations

import numpy as np
import pytest
from tests.review.wrong_labels import MOVED, SPURIOUS, WRONG_CLASS, labels_with_errors, records

from torchghm.review.evidence import gather_evidence
from torchghm.review.features import (
    MEMORY_FEATURES,
    OBJECT_FEATURES,
    RARE,
    is_strongest,
    object_features,
    place_features,
    rarity,
)


def slow_rarity(figures):
    """Count for each figure those that are lower, and half of those that equal it."""
    result = []
    for mine in figures:
        lower = sum(other < mine for other in figures) + sum(other == mine for other in figures) / 2
        result.append(-np.log(1 - lower / len(figures) + RARE))
    return np.array(result)


@pytest.mark.parametrize("figures", [[0.3], [1, 1, 1], [0.2, 0.9, 0.2, -4.0, np.inf], list(range(50))])
def test_rarity_counts_what_is_lower(figures):
    found = rarity(np.array(figures, float))
    np.testing.assert_allclose(found, slow_rarity(figures), rtol=1e-12)
    np.testing.assert_array_equal(found, rarity(np.exp(np.array(figures, float).clip(max=700)) * 3))  # by order alone


def test_each_error_stands_out_in_the_features_of_its_kind():
    data, detections, memory = labels_with_errors()
    features = object_features(data, gather_evidence(data, detections, memory), memory)
    names = (*OBJECT_FEATURES, *MEMORY_FEATURES)
    assert features.shape == (len(data.labels), len(names))
    columns = dict(zip(names, features.T, strict=True))
    for name, errors in (
        ("found", (WRONG_CLASS, MOVED, SPURIOUS)),
        ("other", (WRONG_CLASS,)),
        ("near", (MOVED,)),
        ("gradient_norm", (WRONG_CLASS, MOVED, SPURIOUS)),
        ("margin", (WRONG_CLASS, MOVED, SPURIOUS)),
        ("residual", (MOVED, SPURIOUS)),
    ):
        assert columns[name][list(errors)].min() > np.delete(columns[name], list(errors)).max(), name


def test_a_model_that_is_less_sure_of_everything_has_the_same_features():
    data, detections, _ = labels_with_errors()
    fainter = [seen._replace(scores=seen.scores / 8) for seen in detections]
    first, second = (object_features(data, gather_evidence(data, seen, None), None) for seen in (detections, fainter))
    np.testing.assert_allclose(first, second)


def test_a_set_of_crowds_alone_has_no_features_of_objects():
    data, detections, _ = labels_with_errors()
    data = records(data.boxes, data.labels, crowd=True)
    evidence = gather_evidence(data, detections, None)
    assert object_features(data, evidence, None).shape == (0, len(OBJECT_FEATURES))
    assert len(place_features(data, evidence)) == len(is_strongest(evidence))
