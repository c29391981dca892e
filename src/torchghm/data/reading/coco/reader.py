"""COCO: one JSON file of instances for each split.

`annotations/instances_<split>.json` beside the image folders, as COCO 2017 has it, `<split>/_annotations.coco.json`
among the images, as annotation services export it, or any other JSON file with the same keys.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from torchghm.data.assumptions import Assumptions
from torchghm.data.evidence.class_use import is_of_no_object
from torchghm.data.folders.finding import FoundFiles
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples, reported
from torchghm.data.reading.coco.ids import Ids
from torchghm.data.reading.coco.objects import MASK_BOX, Entries, Objects
from torchghm.data.reading.coco.places import alike, coco_files, may_be_of
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.repairing.coco_boxes import mask_box
from torchghm.data.splitting.stated_splits import SPLIT_KEYS, StatedSplits

LARGEST_INSTANCES = 4 * 2**30  # COCO's own have half a GB; parsing takes several times as much memory
COMPARED = 500
"""Masks whose box is compared with the stated one."""


def read_coco(
    folder: DataFolder, assumptions: Assumptions, problems: list[Problem]
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes and splits of a COCO folder; what is wrong joins the problems.

    Classes are in the order of the first file's category ids. Category ids may have gaps; names that only
    later files have follow.
    """
    classes: dict[str, int] = {}
    splits: dict[str, Records] = {}
    files = coco_files(folder)
    from_zero = False
    for split, (file, image_folders) in files.items():
        with reported(problems, file):
            data = _parse(folder.read(file, LARGEST_INSTANCES))
            categories, labels = _categories(data, file, classes, problems)
            from_zero = from_zero or (not splits and _counts_from_zero(data["categories"], categories))
            annotations = Annotations(folder.root, "annotation id", ("xywh", "pixels"), assumptions)
            ids, images = _images(data["images"], file, split, image_folders, folder, annotations, problems)
            Objects(file, ids, images, categories, labels).add_to(annotations, data["annotations"], problems)
            stated = StatedSplits(file)
            for index, entry in zip(images, data["images"], strict=True):
                if index >= 0:
                    stated.add(annotations.names[index], next((entry[key] for key in SPLIT_KEYS if key in entry), None))
            del data
            records = annotations.remaining(annotations.records(problems))
            names = {name: name for name in stated.by_image}
            splits |= stated.divide(split, records, alone=len(files) == 1, names=names, problems=problems)
    used = {label for records in splits.values() for label in np.unique(records.labels).tolist()}
    if from_zero and len(classes) > 1 and used == set(range(1, len(classes))):
        detail = f"no object is of category 0 ({next(iter(classes))!r}), others are of all: do they count from 1?"
        problems.append(Problem(next(iter(files.values())).file, "first-class-unused", detail))
    return tuple(classes), splits


def _counts_from_zero(entries: Entries, ids: Ids) -> bool:
    """Return whether ids begin with 0, of a category that is none for the background or above the others."""
    first = next((entry for entry, number in zip(entries, ids.numbers, strict=True) if number == 0), None)
    if first is None or min(ids.numbers) < 0 or not ids.are_numbers:
        return False
    above = {entry.get("supercategory") for entry in entries if entry is not first}
    return first["name"] not in above and not is_of_no_object(first["name"])


def _parse(content: bytes) -> dict[str, Entries]:
    compared = 0

    def without_polygons(value: dict[str, Any]) -> dict[str, Any]:
        # Nine tenths of COCO's file are polygons: let go of each at once, not of all at the end.
        nonlocal compared
        if "segmentation" in value:
            mask = value.pop("segmentation")
            if mask and (compared < COMPARED or not _is_plain(value.get("bbox"))):
                compared += 1
                value[MASK_BOX] = mask_box(mask)
        return value

    try:
        data = json.loads(content, object_hook=without_polygons)
    except (ValueError, RecursionError, MemoryError) as error:
        raise FileError(f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise FileError(f"expected an object with images, annotations, categories, but got {type(data).__name__}")
    for key in ("images", "annotations", "categories"):
        if not isinstance(data.get(key), list):
            has = ", ".join(sorted(map(str, data))[:8])
            got = type(data[key]).__name__ if key in data else f"no such key (there are: {has})"
            raise FileError(f"expected a list under the key {key!r}, but got {got}")
        if wrong := [index for index, item in enumerate(data[key]) if not isinstance(item, dict)]:
            raise FileError(f"expected objects in {key!r}, but got something else at index {examples(wrong)}")
    return data


def _categories(
    data: dict[str, Entries], file: str, classes: dict[str, int], problems: list[Problem]
) -> tuple[Ids, list[int]]:
    """Return the category ids and the class of each; new names join the classes."""
    entries = data["categories"]
    if not entries and data["annotations"]:
        raise FileError("expected the names of the classes under the key 'categories', but got an empty list")
    ids = Ids([entry.get("id") for entry in entries], "categories")
    if ids.repeated:
        problems.append(Problem(file, "duplicate-category", f"ids {examples(ids.repeated)}", len(ids.repeated)))
    labels = [0] * len(entries)
    names: list[str] = []
    for index in sorted(range(len(entries)), key=lambda index: ids.numbers[index]):
        name = entries[index].get("name")
        if not isinstance(name, str) or not name.strip():
            got = "no name" if name is None else type(name).__name__
            raise FileError(f"expected a name for category {entries[index]['id']}, but got {got}")
        labels[index] = classes.setdefault(name.strip(), len(classes))
        names.append(name.strip())
    if same := list(dict.fromkeys(name for name in names if names.count(name) > 1)):
        problems.append(Problem(file, "repeated-category-name", examples(map(repr, same)), len(same)))
    return ids, labels


def _images(
    entries: Entries,
    file: str,
    split: str,
    image_folders: tuple[str, ...],
    folder: DataFolder,
    annotations: Annotations,
    problems: list[Problem],
) -> tuple[Ids, list[int]]:
    """Add the images and return their ids, and the index of each, -1 for an image that cannot be used."""
    ids = Ids([entry.get("id") for entry in entries], "images")
    if ids.repeated:
        problems.append(Problem(file, "duplicate-image-id", f"ids {examples(ids.repeated)}", len(ids.repeated)))
    for entry in entries:
        if not isinstance(entry.get("file_name"), str):
            got = type(entry["file_name"]).__name__ if "file_name" in entry else "no such key"
            raise FileError(f"expected a file_name for image {entry['id']}, but got {got}")
    names = (entry["file_name"] for entry in entries)
    equals = alike(folder, split, file)
    found = FoundFiles(folder, names, image_folders, lambda name: may_be_of(split, name), equals)
    if not found.by_name and not found.outside and entries and split not in ("train", "val", "trainval", "all"):
        raise FileError(
            f"none of the {len(entries)} images of {split!r} is there: {examples(found.missing)}", "absent-split"
        )
    where = " or ".join(f"{start or '.'}/" for start in image_folders[:4])
    found.report(file, f"not in {where}", problems)
    images: list[int] = []
    index_of: dict[str, int] = {}
    again: list[str] = []
    for number, entry in zip(ids.numbers, entries, strict=True):
        name = found.by_name.get(entry["file_name"])
        if name is None:
            images.append(-1)
        elif name in index_of:
            images.append(index_of[name])
            again.append(name)
        else:
            index_of[name] = annotations.add_image(name, file, number, entry.get("width"), entry.get("height"))
            images.append(index_of[name])
            if isinstance(entry["id"], str) or not ids.are_numbers:
                annotations.own_ids[name] = entry["id"]
    if again:
        problems.append(Problem(file, "repeated-image", f"{len(again)} in {split!r}: {examples(again)}", len(again)))
    return ids, images


def _is_plain(bbox: Any) -> bool:
    """Return whether a box is four numbers, NaN not among them, with an area."""
    try:
        x, y, width, height = bbox
        total = x + y + width + height
    except (TypeError, ValueError):
        return False
    return type(total) in (float, int) and total == total and width > 0 and height > 0
