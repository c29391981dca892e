from __future__ import annotations

import numpy as np
import torch

from torchghm.training.evaluation.label_review import LOWEST_SCORE, labels_and_detections


def test_every_training_image_is_looked_at_with_faint_detections(trained, tiny_data):
    records, classes, detections, memory = labels_and_detections(trained.folder.path, device="cpu")
    assert len(detections) == len(records) == 5
    assert len(classes) == 3
    assert memory is not None
    assert all(len(column) == len(records.labels) for column in memory.objects.values())
    scores = np.concatenate([found.scores for found in detections])
    assert len(scores) > 0
    assert scores.min() >= LOWEST_SCORE
    for found in detections:
        assert found.boxes.dtype == found.scores.dtype == np.float64
        assert found.boxes.shape == (len(found.scores), 4)
        assert found.boxes.min(initial=0) >= 0
        assert found.boxes.max(initial=0) <= 64


def test_the_detections_are_the_models_own(trained, tiny_data):
    one = labels_and_detections(trained.folder.path, tiny_data, device="cpu")
    other = labels_and_detections(trained.folder.last, device=torch.device("cpu"))
    for first, second in zip(one[2], other[2], strict=True):
        for column, again in zip(first, second, strict=True):
            np.testing.assert_array_equal(column, again)
