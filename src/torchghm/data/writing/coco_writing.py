"""A data set in COCO's layout: `annotations/instances_<split>.json`, and the images in a folder for each split."""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torchghm.data.records import ImageRecord, Records


def coco_instances(records: Records, classes: Sequence[str], first_annotation: int = 1) -> dict[str, Any]:
    """Return the images and objects of a split as COCO's instances.

    Arguments:
        records: of the split. Image ids stay as they are, file names are relative to the common folder of all images.
        classes: names; their categories have the ids 1, 2, 3, ...
        first_annotation: the id of the first object; the others count on from there.

    Returns:
        `images`, `annotations` and `categories`; crowds, and VOC's difficult objects, have `iscrowd` 1.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, (record, name) in enumerate(zip(records, inner_names(records), strict=True)):
        image_id = records.own_id(index)
        images.append({"id": image_id, "file_name": name, "width": record.width, "height": record.height})
        for box, label, crowd, area in zip(record.boxes, record.labels, record.crowd, record.area, strict=True):
            x1, y1, x2, y2 = map(_number, box)
            annotations.append(
                {
                    "id": first_annotation + len(annotations),
                    "image_id": image_id,
                    "category_id": int(label) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": _number(area),
                    "iscrowd": int(crowd),
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco_split(folder: Path, split: str, records: Records, instances: dict[str, Any]) -> None:
    """Write the instances of a split and its images, each as a hard link, or as a copy where that is impossible.

    Raises:
        ValueError: a split whose name no file can have.
        OSError: an image cannot be read, or a file not be written.
    """
    if not re.fullmatch(r"[\w.-]*\w[\w.-]*", split):
        raise ValueError(f"Expected splits of letters, digits, dots and hyphens, but got {split!r}")
    for record, name in zip(records, inner_names(records), strict=True):
        place_image(record, folder / split / name)
    file = folder / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(exist_ok=True)
    write_json(file, instances)


def inner_names(records: Records) -> list[str]:
    """Return the images' names relative to the folder that holds all of them."""
    names = records.names()
    common = os.path.commonpath([posixpath.dirname(name) for name in names]) if names else ""
    return [posixpath.relpath(name, common) if common else name for name in names]


def place_image(record: ImageRecord, place: Path) -> None:
    """Put an image in a new place, byte for byte."""
    place.parent.mkdir(parents=True, exist_ok=True)
    source = record.source
    if not isinstance(source, Path):
        place.write_bytes(source.read())
        return
    source = source.resolve()
    try:
        os.link(source, place)
    except OSError:  # another disk, one without links, or a file of somebody else
        shutil.copyfile(source, place)


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one line."""
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def _number(value: Any) -> float:
    """Return a coordinate as JSON is to show it: 12, not 12.0."""
    number = float(value)
    return int(number) if number.is_integer() else number
