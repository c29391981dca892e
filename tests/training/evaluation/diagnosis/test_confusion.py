"""Confusions against the definition."""

from collections import Counter

import numpy as np
import pytest
from tests.oracles.detection_errors import confusions
from tests.training.evaluation.diagnosis.random_images import CLASSES, random_image, seen

from torchghm.training.evaluation.diagnosis.confusion import confusion_matrix
from torchghm.training.evaluation.diagnosis.matching import match_image


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_every_object_and_every_detection_is_counted_once(threshold):
    images, expected = [], np.zeros((CLASSES + 1, CLASSES + 1), dtype=np.int64)
    for seed in range(60):
        detections, objects = random_image(seed)
        images.append(match_image(seen(detections, objects)).above(threshold))
        kept = [detection for detection in detections if detection.score >= threshold]
        for (truth, detected), count in Counter(confusions(kept, objects)).items():
            expected[CLASSES if truth is None else truth, CLASSES if detected is None else detected] += count
    counted = confusion_matrix(images, CLASSES)
    assert (counted == expected).all()
    assert counted.trace() == sum(image.right.sum() for image in images)
    assert counted[:CLASSES].sum() == sum(len(image.objects) for image in images)
