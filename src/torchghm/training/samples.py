"""Evaluation images with their labels and predictions, for the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from torchghm.data import Records, read_image
from torchghm.training.atomic_files import replaced, write_json
from torchghm.training.drawing import jpeg
from torchghm.training.evaluation import Detections
from torchghm.training.run_folder import RunFolder

IMAGES = 8
LONGEST_SIDE = 640
LOWEST_SCORE = 0.2
MOST_PREDICTIONS = 50


class Samples:
    """Keeps the detections of a few images, evenly spread over a split.

    Arguments:
        records: the images that are evaluated, in this order.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        chosen = np.linspace(0, len(records) - 1, min(IMAGES, len(records))).astype(int)
        self._detections: dict[int, dict[str, Tensor] | None] = dict.fromkeys(chosen.tolist())

    def see(self, images_before: int, detections: Detections) -> None:
        """Take in a batch."""
        for index, found in enumerate(detections, start=images_before):
            if index in self._detections:
                self._detections[index] = found

    def write(self, folder: RunFolder, classes: tuple[str, ...]) -> None:
        """Write samples.json and its images."""
        entries = []
        for number, (index, found) in enumerate(self._detections.items()):
            if found is not None:
                picture = folder.sample_images / f"{number}.jpg"
                entry = _entry(self.records, index, found, classes, picture)
                entries.append({"image": os.path.relpath(picture, folder.path), **entry})
        write_json(folder.samples, entries)


def _entry(
    records: Records, index: int, found: dict[str, Tensor], classes: tuple[str, ...], picture: Path
) -> dict[str, Any]:
    record = records[index]
    image = Image.fromarray(read_image(record.path))
    scale = min(1.0, LONGEST_SIDE / max(image.size))
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    with replaced(picture) as temporary:
        temporary.write_bytes(jpeg(image))
    shown = (found["scores"] >= LOWEST_SCORE).nonzero().flatten()[:MOST_PREDICTIONS].tolist()
    real = ~record.crowd
    return {
        "name": record.path.name,
        "width": image.width,
        "height": image.height,
        "labels": [
            {"box": _rounded(box * scale), "class": classes[label]}
            for box, label in zip(record.boxes[real], record.labels[real].tolist(), strict=True)
        ],
        "predictions": [
            {
                "box": _rounded(found["boxes"][i].numpy() * scale),
                "class": classes[int(found["labels"][i])],
                "score": round(float(found["scores"][i]), 4),
            }
            for i in shown
        ],
    }


def _rounded(box: Any) -> list[float]:
    return [round(float(corner), 2) for corner in box]
