"""Evaluation images with their labels and predictions, for the page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from torchghm.atomic_files import replaced, write_json
from torchghm.data import Records, read_image
from torchghm.data.records import ImageRecord
from torchghm.training.evaluation.drawing import jpeg
from torchghm.training.loop.average_precision import SeenImage

IMAGES = 8
LONGEST_SIDE = 640
LOWEST_SCORE = 0.2
MOST_PREDICTIONS = 50


def write_samples(
    file: Path,
    records: Records,
    images: Sequence[SeenImage],
    classes: tuple[str, ...],
    *,
    chosen: Sequence[int] | None = None,
    lowest_score: float = LOWEST_SCORE,
) -> None:
    """Write images with their labels and predictions: a list, and the pictures in a folder of its name.

    Arguments:
        file: of the list, samples.json for example.
        records: the images that were evaluated.
        images: what was found in each of them.
        classes: names of the labels.
        chosen: which of them; None takes a few that are evenly spread.
        lowest_score: of the predictions.
    """
    if chosen is None:
        chosen = np.linspace(0, len(records) - 1, min(IMAGES, len(records))).astype(int).tolist()
    entries = []
    for number, index in enumerate(chosen):
        picture = file.with_suffix("") / f"{number}.jpg"
        entry = _entry(records[index], images[index].detections, classes, picture, lowest_score)
        entries.append({"image": os.path.relpath(picture, file.parent), **entry})
    write_json(file, entries)


def _entry(
    record: ImageRecord, found: dict[str, Tensor], classes: tuple[str, ...], picture: Path, lowest_score: float
) -> dict[str, Any]:
    image = Image.fromarray(read_image(record.source))
    scale = min(1.0, LONGEST_SIDE / max(image.size))
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    with replaced(picture) as temporary:
        temporary.write_bytes(jpeg(image))
    shown = (found["scores"] >= lowest_score).nonzero().flatten()[:MOST_PREDICTIONS].tolist()
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
