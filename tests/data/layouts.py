"""One small data set, written in every layout."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cow")


@dataclass(frozen=True)
class Sample:
    name: str
    split: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    labels: tuple[int, ...] = ()
    width: int = 40
    height: int = 30

    @property
    def stem(self) -> str:
        return Path(self.name).stem


SAMPLES = (
    Sample("a.png", "train", ((1, 2, 11, 12), (5, 5, 30, 25)), (0, 2)),
    Sample("b.png", "train", ((0, 0, 40, 30),), (1,)),
    Sample("c.png", "train"),
    Sample("d.png", "val", ((3, 4, 9, 10),), (0,), width=50, height=20),
    Sample("e.png", "test", ((3, 4, 9, 10), (20, 4, 30, 14)), (0, 1)),
)


def one_split(samples: tuple[Sample, ...] = SAMPLES) -> tuple[Sample, ...]:
    return tuple(replace(sample, split="train") for sample in samples)


def write_image(path: Path, width: int = 40, height: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
    Image.fromarray(np.stack([pixels, pixels // 2, 255 - pixels], axis=2)).save(path)


def coco_instances(samples: tuple[Sample, ...]) -> dict[str, Any]:
    images, annotations = [], []
    for number, sample in enumerate(samples, start=1):
        images.append({"id": number, "file_name": sample.name, "width": sample.width, "height": sample.height})
        for (x1, y1, x2, y2), label in zip(sample.boxes, sample.labels, strict=True):
            annotation = {"image_id": number, "category_id": label + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
            annotations.append({"id": len(annotations) + 1, **annotation})
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(root: Path, samples: tuple[Sample, ...] = SAMPLES, year: str = "2017", **changes: Any) -> Path:
    """Write COCO 2017's layout; `changes` replace keys of the training instances."""
    (root / "annotations").mkdir(parents=True)
    for split in dict.fromkeys(sample.split for sample in samples):
        of_split = tuple(sample for sample in samples if sample.split == split)
        for sample in of_split:
            write_image(root / f"{split}{year}" / sample.name, sample.width, sample.height)
        instances = coco_instances(of_split) | (changes if split == "train" else {})
        (root / "annotations" / f"instances_{split}{year}.json").write_text(json.dumps(instances), encoding="utf-8")
    return root


def write_exported_coco(root: Path, samples: tuple[Sample, ...] = SAMPLES) -> Path:
    """Write the layout with `_annotations.coco.json` among the images."""
    for split in dict.fromkeys(sample.split for sample in samples):
        folder = root / {"val": "valid"}.get(split, split)
        of_split = tuple(sample for sample in samples if sample.split == split)
        for sample in of_split:
            write_image(folder / sample.name, sample.width, sample.height)
        (folder / "_annotations.coco.json").write_text(json.dumps(coco_instances(of_split)), encoding="utf-8")
    return root


def voc_xml(sample: Sample) -> str:
    objects = "".join(
        f"<object><name>{CLASSES[label]}</name><difficult>0</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for (x1, y1, x2, y2), label in zip(sample.boxes, sample.labels, strict=True)
    )
    size = f"<size><width>{sample.width}</width><height>{sample.height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{sample.name}</filename>{size}{objects}</annotation>"


def write_voc(root: Path, samples: tuple[Sample, ...] = SAMPLES, lists: bool = True) -> Path:
    (root / "Annotations").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for sample in samples:
        write_image(root / "JPEGImages" / sample.name, sample.width, sample.height)
        (root / "Annotations" / f"{sample.stem}.xml").write_text(voc_xml(sample), encoding="utf-8")
    for split in dict.fromkeys(sample.split for sample in samples) if lists else ():
        stems = [sample.stem for sample in samples if sample.split == split]
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(stems) + "\n", encoding="utf-8")
    return root


def yolo_labels(sample: Sample) -> str:
    lines = []
    for (x1, y1, x2, y2), label in zip(sample.boxes, sample.labels, strict=True):
        x, width = (x1 + x2) / 2 / sample.width, (x2 - x1) / sample.width
        y, height = (y1 + y2) / 2 / sample.height, (y2 - y1) / sample.height
        lines.append(f"{label} {x!r} {y!r} {width!r} {height!r}\n")
    return "".join(lines)


def write_yolo(root: Path, samples: tuple[Sample, ...] = SAMPLES) -> Path:
    splits = dict.fromkeys(sample.split for sample in samples)
    for sample in samples:
        write_image(root / "images" / sample.split / sample.name, sample.width, sample.height)
        labels = root / "labels" / sample.split / f"{sample.stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(yolo_labels(sample), encoding="utf-8")
    lines = [f"{split}: images/{split}" for split in splits] + [f"names: [{', '.join(CLASSES)}]"]
    (root / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
