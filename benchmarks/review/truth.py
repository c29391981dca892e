"""Which labels of a noisy copy are wrong, as objects and places of a review's evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchghm.data import Records
from torchghm.review.agreement import Agreement, box_iou

KINDS = ("class", "shifted", "spurious", "missing")
"""As `torchghm.data.label_noise` names them."""
SAME = 0.5


class Truth(NamedTuple):
    """Injected errors, by object and by place."""

    objects: NDArray[np.str_]
    """[n] the kind of each object's error, "" for none."""
    places: NDArray[np.int8]
    """[f] 1 where an object's label was removed, 0 where nothing was, -1 where an injected error of another kind is."""
    unseen: int
    """Removed labels at whose place there is no detection."""


def load_truth(folder: Path, records: Records, found: Agreement) -> Truth:
    """Match what `label_noise.json` lists with the objects that were read, by image and box."""
    changes = json.loads((folder / "label_noise.json").read_text())["changes"]
    annotations = json.loads((folder / "annotations" / "instances_train.json").read_text())["annotations"]
    boxes = {entry["id"]: (entry["image_id"], entry["bbox"]) for entry in annotations}
    image_of = {int(image_id): image for image, image_id in enumerate(records.image_ids)}
    kinds = np.full(len(records.labels), "", dtype="U8")
    places = np.zeros(len(found.free_score), dtype=np.int8)
    unseen = 0
    for change in changes:
        image = image_of[change["image_id"]]
        rows = np.arange(records.offsets[image], records.offsets[image + 1])
        here = np.flatnonzero(found.free_image == image)
        if change["kind"] != "missing":
            box = _corners(boxes[change["annotation_id"]][1])
            distance = np.abs(records.boxes[rows] - box).max(axis=1)
            free = np.where(kinds[rows] == "", distance, np.inf)
            assert free.min() < 1, (change, distance)
            kinds[rows[free.argmin()]] = change["kind"]
        if change["original"] is not None:
            iou = box_iou(_corners(change["original"]["bbox"])[None], found.free_box[here])[0]
            hits = here[iou >= SAME]
            places[hits] = 1 if change["kind"] == "missing" else np.where(places[hits] == 1, 1, -1)
            if change["kind"] == "missing":
                if len(hits) == 0:
                    unseen += 1
                else:  # one of them finds it, the others are neither right nor wrong
                    places[hits] = -1
                    places[hits[found.free_score[hits].argmax()]] = 1
    return Truth(kinds[found.objects], places, unseen)


def noise_rate(folder: Path) -> float:
    """Return the part of the labels that `torchghm data noise` spoiled, 0 of a data set that it did not make."""
    record = folder / "label_noise.json"
    return float(json.loads(record.read_text())["rate"]) if record.is_file() else 0.0


def clean_truth(found: Agreement) -> Truth:
    """Return the truth of a data set without injected errors."""
    right = np.full(len(found.objects), "", dtype="U8")
    return Truth(right, np.zeros(len(found.free_score), np.int8), 0)


def _corners(bbox: list[float]) -> NDArray[np.float64]:
    x, y, width, height = bbox
    return np.array([x, y, x + width, y + height], dtype=np.float64)
