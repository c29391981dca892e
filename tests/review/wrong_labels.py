"""A data set whose wrong labels are known, with detections and a memory made up for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from torchghm.data.records import Records
from torchghm.review.agreement import Detections
from torchghm.review.evidence import Memory

IMAGES = 30
WRONG_CLASS, MOVED, SPURIOUS = 1, 12, 21
"""Objects, of three an image."""


def records(boxes, labels, crowd=False):
    counts = np.full(IMAGES, 3)
    sides = np.full(IMAGES, 100)
    return Records(
        Path("set"), [f"{i}.png" for i in range(IMAGES)], widths=sides, heights=sides.copy(),
        image_ids=np.arange(IMAGES), offsets=np.concatenate([[0], np.cumsum(counts)]), boxes=boxes, labels=labels,
        crowd=np.full(len(labels), crowd), area=np.ones(len(labels), np.float32),
    )  # fmt: skip


def labels_with_errors():
    """Three objects an image, all found with a high score where they are; four labels are not what is found."""
    rng = np.random.default_rng(0)
    boxes = np.tile(np.array([[5, 5, 25, 25], [40, 5, 60, 25], [5, 60, 25, 80]], np.float32), (IMAGES, 1))
    labels = rng.integers(0, 3, 3 * IMAGES)
    detections, gradient_norms = [], rng.uniform(0.02, 0.2, 3 * IMAGES)
    for image in range(IMAGES):
        rows = slice(3 * image, 3 * image + 3)
        detections.append(Detections(boxes[rows].astype(float), labels[rows].copy(), rng.uniform(0.7, 0.95, 3)))
    labels[WRONG_CLASS] = (labels[WRONG_CLASS] + 1) % 3
    boxes[MOVED] += np.array([10, 5, 10, 5], np.float32)
    boxes[SPURIOUS] = [70, 70, 90, 90]
    missing = Detections(
        np.concatenate([detections[9].boxes, [[60.0, 60, 80, 80]]]),
        np.append(detections[9].labels, 2),
        np.append(detections[9].scores, 0.93),
    )
    detections[9] = missing
    # The spurious box took the place of an object that is still found: another label that is missing.
    gradient_norms[[WRONG_CLASS, MOVED, SPURIOUS]] = 0.9, 0.6, 0.95
    margin = np.where(gradient_norms > 0.5, -0.7, 0.7)
    n = len(labels)
    residual = np.full(n, 0.1)
    residual[[MOVED, SPURIOUS]] = 0.7
    memory = Memory(
        {
            "gradient_norm": gradient_norms, "slope": np.zeros(n), "margin": margin,
            "residual": residual, "seen": np.full(n, 4), "unmatched": np.zeros(n), "rival": np.full(n, -1),
            "trajectory": np.full((n, 8), 0.5),
        },
        None,
    )  # fmt: skip
    return records(boxes, labels), detections, memory
