"""COCO: one JSON file of instances for each split.

`annotations/instances_<split>.json` beside the image folders, as COCO 2017 has it, `<split>/_annotations.coco.json`
among the images, as annotation services export it, or any other JSON file with the same keys.
"""

from __future__ import annotations

import json
from collections import Counter
from reprlib import repr as brief
from typing import Any

from torchghm.data.assumptions import Assumptions
from torchghm.data.finding import FoundFiles
from torchghm.data.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples, reported
from torchghm.data.reading.coco_ids import Ids
from torchghm.data.reading.coco_places import coco_files, may_be_of
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.repairing.coco_boxes import is_number, mask_box, read_bbox

LARGEST_INSTANCES = 4 * 2**30  # COCO's own have half a GB; parsing takes several times as much memory
MASK_BOX = " box of the mask"
"""A key that no file has by chance."""
COMPARED = 500
"""Masks whose box is compared with the stated one."""

Entries = list[dict[str, Any]]


def read_coco(
    folder: DataFolder, assumptions: Assumptions, problems: list[Problem]
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes and splits of a COCO folder; what is wrong joins the problems.

    Classes are in the order of the first file's category ids. Category ids may have gaps; names that only
    later files have follow.
    """
    classes: dict[str, int] = {}
    splits = {}
    for split, (file, image_folders) in coco_files(folder).items():
        with reported(problems, file):
            data = _parse(folder.read(file, LARGEST_INSTANCES))
            categories, labels = _categories(data, file, classes, problems)
            annotations = Annotations(folder.root, "annotation id", ("xywh", "pixels"), assumptions)
            ids, images = _images(data["images"], file, split, image_folders, folder, annotations, problems)
            _Objects(file, ids, images, categories, labels).add_to(annotations, data["annotations"], problems)
            del data
            records = annotations.records(problems)
            splits[split] = records.take(annotations.taken(range(len(records))))
    return tuple(classes), splits


def _parse(content: bytes) -> dict[str, Entries]:
    compared = 0

    def without_polygons(value: dict[str, Any]) -> dict[str, Any]:
        # Nine tenths of COCO's file are polygons: let go of each at once, not of all at the end.
        nonlocal compared
        mask = value.pop("segmentation", None)
        if mask and (compared < COMPARED or not _is_plain(value.get("bbox"))):
            compared += 1
            value[MASK_BOX] = mask_box(mask)
        return value

    try:
        data = json.loads(content, object_hook=without_polygons)
    except (ValueError, RecursionError, MemoryError) as error:
        raise FileError(f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise FileError(f"expected an object with images, annotations, categories, got {type(data).__name__}")
    for key in ("images", "annotations", "categories"):
        if not isinstance(data.get(key), list):
            has = ", ".join(sorted(map(str, data))[:8])
            got = type(data[key]).__name__ if key in data else f"no such key (there are: {has})"
            raise FileError(f"expected a list under the key {key!r}, got {got}")
        if wrong := [index for index, item in enumerate(data[key]) if not isinstance(item, dict)]:
            raise FileError(f"expected objects in {key!r}, got something else at index {examples(wrong)}")
    return data


def _categories(
    data: dict[str, Entries], file: str, classes: dict[str, int], problems: list[Problem]
) -> tuple[Ids, list[int]]:
    """Return the category ids and the class of each; new names join the classes."""
    entries = data["categories"]
    if not entries and data["annotations"]:
        raise FileError("expected the names of the classes under the key 'categories', got an empty list")
    ids = Ids([entry.get("id") for entry in entries], "categories")
    if ids.repeated:
        problems.append(Problem(file, "duplicate-category", f"ids {examples(ids.repeated)}", len(ids.repeated)))
    labels = [0] * len(entries)
    names: list[str] = []
    for index in sorted(range(len(entries)), key=lambda index: ids.numbers[index]):
        name = entries[index].get("name")
        if not isinstance(name, str) or not name.strip():
            got = "no name" if name is None else type(name).__name__
            raise FileError(f"expected a name for category {entries[index]['id']}, got {got}")
        labels[index] = classes.setdefault(name, len(classes))
        names.append(name)
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
            raise FileError(f"expected a file_name for image {entry['id']}, got {got}")
    found = FoundFiles(
        folder, (entry["file_name"] for entry in entries), image_folders, lambda name: may_be_of(split, name)
    )
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
    if again:
        problems.append(Problem(file, "repeated-image", f"{len(again)} in {split!r}: {examples(again)}", len(again)))
    return ids, images


class _Objects:
    """The objects of a file: which image and class each belongs to, and its box."""

    def __init__(self, file: str, ids: Ids, images: list[int], categories: Ids, labels: list[int]) -> None:
        self.file = file
        self.ids, self.images, self.categories, self.labels = ids, images, categories, labels
        self.counts: Counter[str] = Counter()
        self.shown: dict[str, list[str]] = {}
        self.corners = self.sides = 0

    def add_to(self, annotations: Annotations, entries: Entries, problems: list[Problem]) -> None:
        """Add all objects to the annotations; what is dropped or repaired joins the problems."""
        first: dict[int, dict[str, Any]] = {}
        # Of ids that come again; some tools give one id to all, so that no list is searched.
        known: dict[int, set[str]] = {}
        for entry in entries:
            reference = entry.get("id")
            reference = reference if type(reference) is int and abs(reference) < 2**63 else -1
            # The same id for different objects is common and harmless: only what is the same in all is a repetition.
            if reference != -1 and first.setdefault(reference, entry) is not entry:
                texts, text = known.setdefault(reference, {repr(first[reference])}), repr(entry)
                if text in texts:
                    self._note("repeated-annotation", entry)
                    continue
                texts.add(text)
            self._add(annotations, entry, reference)
        order = ("annotation-without-image", "unknown-category")
        for what, count in sorted(self.counts.items(), key=lambda pair: pair[0] not in order):
            problems.append(Problem(self.file, what, f"{count}: {examples(self.shown[what])}", count))
        if self.corners > self.sides and annotations.assumptions.boxes is None:
            detail = f"of {self.corners} of {self.corners + self.sides} the corners are those of the mask"
            problems.append(Problem(self.file, "boxes-look-like-corners", detail, self.corners))

    def _add(self, annotations: Annotations, entry: dict[str, Any], reference: int) -> None:
        place, of_other_type = self.ids.find(entry.get("image_id"))
        category, also = self.categories.find(entry.get("category_id"))
        if place < 0:
            self._note("annotation-without-image", entry, f" of image {brief(entry.get('image_id'))}")
            return
        if category < 0:
            self._note("unknown-category", entry, f" has category {brief(entry.get('category_id'))}")
            return
        image = self.images[place]
        if image < 0:
            return
        if of_other_type or also:
            self._note(
                "ids-of-other-type", entry, f" of image {entry['image_id']!r}, category {entry['category_id']!r}"
            )
        box, how = read_bbox(entry.get("bbox"))
        of_mask = entry.get(MASK_BOX)
        if of_mask is not None and (box is None or not all(map(_is_finite, box))):
            self._note("box-from-mask", entry)
            box = of_mask
            if annotations.form == "xyxy":
                box = (box[0], box[1], box[0] + box[2], box[1] + box[3])
        elif box is None:
            self._note(how, entry, f": {brief(entry.get('bbox'))}")
            annotations.add_lost(image)
            return
        elif how:
            self._note("box-in-other-form", entry, f" has {how}")
        elif of_mask is not None:
            self._compare(box, of_mask)
        area = entry.get("area")
        flags = (entry.get("iscrowd"), entry.get("ignore"))
        crowd = flags != (0, None) and any(map(_is_true, flags))
        area = area if is_number(area) and area == area else 0.0
        annotations.add_box(image, box, self.labels[category], reference, crowd=crowd, area=area)

    def _compare(self, box: tuple[float, ...], of_mask: tuple[float, ...]) -> None:
        """Count which of the two readings of a box fits the mask."""
        x, y, width, height = of_mask
        if max(abs(a - b) for a, b in zip(box, of_mask, strict=True)) <= 1.5:
            self.sides += 1
        elif max(abs(a - b) for a, b in zip(box, (x, y, x + width, y + height), strict=True)) <= 1.5:
            self.corners += 1

    def _note(self, what: str, entry: dict[str, Any], words: str = "") -> None:
        self.counts[what] += 1
        shown = self.shown.setdefault(what, [])
        if len(shown) < 4:
            shown.append(f"annotation id {brief(entry.get('id'))}{words}")


def _is_plain(bbox: Any) -> bool:
    """Whether a box is four numbers, NaN not among them."""
    try:
        x, y, width, height = bbox
        total = x + y + width + height
    except (TypeError, ValueError):
        return False
    return isinstance(total, float | int) and total == total


def _is_finite(value: float) -> bool:
    return abs(value) < 1e300 and value == value


def _is_true(value: object) -> bool:
    return value in (1, True, "1", "true", "True")
