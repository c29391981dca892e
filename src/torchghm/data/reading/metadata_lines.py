"""Image folders of Hugging Face's `datasets`: `metadata.jsonl` has a line an image, with its boxes and categories."""

from __future__ import annotations

import json
import posixpath
from reprlib import repr as brief
from typing import Any

from torchghm.data.assumptions import Assumptions
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, reported
from torchghm.data.reading.listed_objects import ListedObject, ListedObjects, listed_records
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.repairing.coco_boxes import read_bbox
from torchghm.data.splitting.split_names import split_of_path
from torchghm.data.splitting.splits import in_split_order
from torchghm.data.splitting.stated_splits import SPLIT_KEYS

NAME = "metadata.jsonl"
LOOKED_FOR = f"{NAME} beside the images, with file_name and objects (bbox and categories) in each line"
LONGEST_LINE = 2**24
HEAD = 2**16
CATEGORIES = ("categories", "category", "labels", "label", "classes", "class", "category_id")


def metadata_files(folder: DataFolder) -> dict[str, str]:
    """Return the file of each split; empty if there is none with objects.

    Raises:
        FileError: two files are of one split.
    """
    found: dict[str, str] = {}
    for place in sorted(folder.tree()):
        file = posixpath.join(place, NAME)
        if folder.holds(place) and has_objects(folder, file):
            split = split_of_path(place) or "all"
            if split in found:
                raise FileError(f"expected one {NAME} of {split!r}, but got {found[split]}, {file}", "duplicate-split")
            found[split] = file
    if len(found) > 1 and "all" in found:
        raise FileError(f"expected each {NAME} in a folder of a split, but got {found['all']}")
    return in_split_order(found)


def has_objects(folder: DataFolder, file: str) -> bool:
    """Return whether a file names images and their objects."""
    head = folder.head(file, HEAD)
    return b'"file_name"' in head and b'"objects"' in head


def read_metadata(
    folder: DataFolder, assumptions: Assumptions, problems: list[Problem]
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes and splits of a folder of such files; what is wrong joins the problems.

    A category that is a number is the name of its class: what it means does not stand in these files.
    """
    listed: dict[str, ListedObjects] = {}
    annotations = {}
    for split, file in metadata_files(folder).items():
        with reported(problems, file):
            listed[split] = _listed(folder, file)
        annotations[split] = Annotations(folder.root, "line", ("xywh", "pixels"), assumptions)
    return listed_records(folder, listed, annotations, problems)


def _listed(folder: DataFolder, file: str) -> ListedObjects:
    """Return the images and objects of a file."""
    place = posixpath.dirname(file)
    listed = ListedObjects(file, (place, posixpath.join(place, "images")))
    for number, text in enumerate(folder.lines(file, LONGEST_LINE), start=1):
        if not text.strip():
            continue
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FileError(f"line {number} is not JSON: {error}") from error
        image = entry.get("file_name") if isinstance(entry, dict) else None
        if not isinstance(image, str):
            raise FileError(f"expected an object with a file_name in line {number}, but got {brief(entry)}")
        if image in listed.sizes:
            listed.note("repeated-image", f"{image!r} in line {number}")
        listed.sizes.setdefault(image, (entry.get("width"), entry.get("height")))
        listed.stated.add(image, next((entry[key] for key in SPLIT_KEYS if key in entry), None))
        for bbox, category, crowd in _objects(entry.get("objects"), number):
            box, how = read_bbox(bbox)
            if how:
                listed.note(how if box is None else "box-in-other-form", f"line {number} {brief(bbox)}")
            listed.objects.append(ListedObject(image, str(category).strip(), box, number, crowd in (1, True)))
    return listed


def _objects(objects: object, line: int) -> list[tuple[object, object, object]]:
    """Return box, category and `iscrowd` of each object, from an object of lists or a list of objects.

    Raises:
        FileError: there are not as many categories as boxes, or a category is neither text nor a number.
    """
    columns: dict[str, Any] = objects if isinstance(objects, dict) else {}
    if isinstance(objects, list) and all(isinstance(each, dict) for each in objects):
        keys = {key for each in objects for key in each} or {"bbox", "categories"}
        columns = {key: [each.get(key) for each in objects] for key in keys}
    boxes = columns.get("bbox")
    categories = next((columns[key] for key in CATEGORIES if key in columns), None)
    if not isinstance(boxes, list) or not isinstance(categories, list) or len(boxes) != len(categories):
        raise FileError(f"expected objects with a bbox and a category each in line {line}, but got {brief(objects)}")
    if wrong := [each for each in categories if type(each) not in (int, str) or not str(each).strip()]:
        raise FileError(f"expected categories that are names or numbers in line {line}, but got {brief(wrong[0])}")
    crowds = columns.get("iscrowd")
    crowds = crowds if isinstance(crowds, list) and len(crowds) == len(boxes) else [0] * len(boxes)
    return list(zip(boxes, categories, crowds, strict=True))
