"""Images of random objects and detections, for the oracles and as the code takes them."""

from __future__ import annotations

import numpy as np
import torch
from tests.oracles.detection_errors import Box, Detection, Object

from torchghm.training.loop.average_precision import SeenImage

CLASSES = 3


def random_image(seed: int) -> tuple[list[Detection], list[Object]]:
    """Objects, some of them crowds, and detections around them, of right and wrong classes, or anywhere."""
    draw = np.random.default_rng(seed)
    objects = [
        Object(_box(draw), int(draw.integers(CLASSES)), bool(draw.random() < 0.2)) for _ in range(draw.integers(7))
    ]
    detections = []
    for _ in range(draw.integers(20)):
        box, label = _box(draw), int(draw.integers(CLASSES))
        if objects and draw.random() < 0.8:
            near = objects[draw.integers(len(objects))]
            label = near.label if draw.random() < 0.7 else label
            x1, y1, x2, y2 = (side + float(draw.normal(0, 4)) for side in near.box)
            box = (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
        detections.append(Detection(_single(box), label, float(np.float32(draw.random()))))
    return detections, objects


def seen(detections: list[Detection], objects: list[Object]) -> SeenImage:
    """The image as an evaluation sees it."""
    return SeenImage(
        {
            "boxes": torch.tensor([found.box for found in detections]).reshape(-1, 4),
            "labels": torch.tensor([found.label for found in detections], dtype=torch.int64),
            "scores": torch.tensor([found.score for found in detections]),
        },
        {
            "boxes": torch.tensor([thing.box for thing in objects]).reshape(-1, 4),
            "labels": torch.tensor([thing.label for thing in objects], dtype=torch.int64),
            "iscrowd": torch.tensor([thing.crowd for thing in objects], dtype=torch.int64),
            "area": torch.full((len(objects),), 100.0),
        },
    )


def _box(draw: np.random.Generator) -> Box:
    left, top = draw.uniform(0, 60, 2)
    width, height = draw.uniform(8, 30, 2)
    return _single((left, top, left + width, top + height))


def _single(box: Box) -> Box:
    """Corners that single precision holds, so that the oracles see the same ones."""
    x1, y1, x2, y2 = (float(np.float32(side)) for side in box)
    return x1, y1, x2, y2
