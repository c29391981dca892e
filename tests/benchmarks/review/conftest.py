"""Made up runs on a noisy and a clean copy of two tiny data sets, for the benchmarks of label review."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.review import cases as review_cases
from torchghm.data.records import Records
from torchghm.review.agreement import Detections

IMAGES, A_SET = 12, np.array([[10, 10, 50, 50], [100, 10, 140, 50], [10, 100, 50, 140]], np.float32)
SWAPPED, MOVED, SPURIOUS = 1, 10, 20
UNLABELLED, MISSING = (100, 100, 140, 140), 5
"""A place, and the image in which an object's label was removed there."""
WRONG = {SWAPPED: "class", MOVED: "shifted", SPURIOUS: "spurious"}


def records(data: Path) -> Records:
    noisy = (data / "label_noise.json").is_file()
    boxes, labels = np.tile(A_SET, (IMAGES, 1)), np.tile([0, 1, 2], IMAGES)
    if noisy:
        labels[SWAPPED] = 2
        boxes[MOVED] += np.array([0, 15, 0, 15], np.float32)
        boxes[SPURIOUS] = (150, 150, 190, 190)
    sides, count = np.full(IMAGES, 200), 3 * IMAGES
    return Records(
        data, [f"{i}.png" for i in range(IMAGES)], widths=sides, heights=sides.copy(), image_ids=np.arange(IMAGES),
        offsets=np.arange(0, count + 1, 3), boxes=boxes, labels=labels, crowd=np.zeros(count, bool),
        area=np.ones(count, np.float32),
    )  # fmt: skip


def sides(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = box.tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def comparison(run: Path, data: Path) -> tuple[Records, tuple[str, ...], list[Detections], None]:
    """Make detections: all that is there, something faint in every image, and surely the unlabelled object in one."""
    rng = np.random.default_rng(len(run.name))
    noisy = (data / "label_noise.json").is_file()
    seen = []
    for image in range(IMAGES):
        surely = noisy and image == MISSING
        boxes = np.concatenate([A_SET, [UNLABELLED]]).astype(float)
        scores = np.append(rng.uniform(0.6, 0.95, 3), 0.9 if surely else 0.05)
        seen.append(Detections(boxes, np.array([0, 1, 2, 0]), scores))
    return records(data), ("a", "b", "c"), seen, None


@pytest.fixture
def noisy_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(review_cases, "labels_and_detections", comparison)
    arguments = []
    for name in ("first", "other"):
        noisy, clean, runs = (tmp_path / f"{name}-{part}" for part in ("noisy", "clean", "runs"))
        for folder in (noisy / "annotations", clean, runs / "seed-0", runs / "seed-1"):
            folder.mkdir(parents=True)
        changes = [
            {"kind": kind, "image_id": row // 3, "annotation_id": row, "original": {"bbox": sides(A_SET[row % 3])}}
            for row, kind in WRONG.items()
        ]
        removed = {"bbox": sides(np.array(UNLABELLED))}
        changes.append({"kind": "missing", "image_id": MISSING, "annotation_id": 99, "original": removed})
        (noisy / "label_noise.json").write_text(json.dumps({"rate": 0.1, "changes": changes}))
        boxes = records(noisy).boxes
        entries = [{"id": row, "image_id": row // 3, "bbox": sides(box)} for row, box in enumerate(boxes)]
        (noisy / "annotations" / "instances_train.json").write_text(json.dumps({"annotations": entries}))
        arguments += [f"{name}={runs}:{noisy}", f"{name}={runs / 'seed-0'}:{clean}"]
    return arguments
