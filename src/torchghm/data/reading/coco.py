"""COCO: one JSON file of instances for each split.

Two layouts: `annotations/instances_<split>.json` beside the image folders, as COCO 2017 has it, and
`<split>/_annotations.coco.json` among the images, as annotation services export it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from reprlib import repr as brief
from typing import Any, TypeGuard

from torchghm.data.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples, reported
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splits import SPLIT_NAMES, in_split_order

LOOKED_FOR = "annotations/instances_*.json, or _annotations.coco.json in the folder or in train/, valid/, test/"
FILE_BESIDE_IMAGES = "_annotations.coco.json"
LARGEST_INSTANCES = 4 * 2**30  # COCO's own have half a GB; parsing takes several times as much memory


def coco_files(folder: DataFolder) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return for each split its annotation file and the folders where its images can be; empty if not COCO."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for file in folder.files("annotations", (".json",)):
        if match := re.fullmatch(r"annotations/instances_(.+)\.json", file):
            found[match[1]] = (file, (match[1], f"images/{match[1]}", "images", ""))
    for name in ("", *SPLIT_NAMES):
        if file_beside := folder.file(FILE_BESIDE_IMAGES, name):
            found.setdefault(name or "all", (file_beside, (name,)))
    # "train2017" is the split "train", unless there is another one of that name ("train2014").
    short = [re.sub(r"[-_]?\d{4}$", "", name) for name in found]
    short = [SPLIT_NAMES.get(name, name) for name in short]
    names = short if len(set(short)) == len(short) else list(found)
    return in_split_order(dict(zip(names, found.values(), strict=True)))


def read_coco(folder: DataFolder, problems: list[Problem]) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes and splits of a COCO folder; what is wrong joins the problems.

    Classes are in the order of the first file's category ids. Category ids may have gaps; names that only
    later files have follow.
    """
    classes: dict[str, int] = {}
    splits = {}
    for split, (file, image_folders) in coco_files(folder).items():
        with reported(problems, file):
            data = _parse(folder.read(file, LARGEST_INSTANCES))
            categories = _categories(data["categories"], file, classes, problems)
            annotations = Annotations(folder.root, unit="annotation id")
            images = _images(data["images"], file, image_folders, folder, annotations, problems)
            _objects(data["annotations"], file, images, categories, annotations, problems)
            del data
            splits[split] = annotations.records(problems)
    return tuple(classes), splits


def _parse(content: bytes) -> dict[str, list[dict[str, Any]]]:
    def without_polygons(value: dict[str, Any]) -> dict[str, Any]:
        # Nine tenths of COCO's file are polygons: let go of each at once, not of all at the end.
        value.pop("segmentation", None)
        return value

    try:
        data = json.loads(content, object_hook=without_polygons)
    except (ValueError, RecursionError, MemoryError) as error:
        raise FileError(f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise FileError(f"expected an object with images, annotations, categories, got {type(data).__name__}")
    for key in ("images", "annotations", "categories"):
        if not isinstance(data.get(key), list):
            raise FileError(f"expected a list under the key {key!r}, got {type(data.get(key)).__name__}")
        if wrong := [index for index, item in enumerate(data[key]) if not isinstance(item, dict)]:
            raise FileError(f"expected objects in {key!r}, got something else at index {examples(wrong)}")
    return data


def _categories(
    entries: list[dict[str, Any]], file: str, classes: dict[str, int], problems: list[Problem]
) -> dict[int, int]:
    """Return the class of each category id; new names join the classes."""
    ids = [_id(entry, "categories") for entry in entries]
    if repeated := _repeated(ids):
        problems.append(Problem(file, "duplicate-category", f"ids {examples(repeated)}", len(repeated)))
    categories = {}
    names: list[str] = []
    for category, entry in sorted(zip(ids, entries, strict=True), key=lambda pair: pair[0]):
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            raise FileError(f"expected a name for category {category}, got {type(name).__name__}")
        categories[category] = classes.setdefault(name, len(classes))
        names.append(name)
    if same := _repeated(names):
        problems.append(Problem(file, "repeated-category-name", examples(map(repr, same)), len(same)))
    return categories


def _images(
    entries: list[dict[str, Any]],
    file: str,
    image_folders: tuple[str, ...],
    folder: DataFolder,
    annotations: Annotations,
    problems: list[Problem],
) -> dict[int, int]:
    """Add the images and return the index of each image id, -1 for an image that cannot be used."""
    ids = [_id(entry, "images") for entry in entries]
    if repeated := _repeated(ids):
        problems.append(Problem(file, "duplicate-image-id", f"ids {examples(repeated)}", len(repeated)))
    images = {}
    missing, outside = [], []
    for image_id, entry in zip(ids, entries, strict=True):
        images[image_id] = -1
        name = entry.get("file_name")
        if not isinstance(name, str):
            raise FileError(f"expected a file_name for image {image_id}, got {type(name).__name__}")
        try:
            found = next(filter(None, (folder.file(name, start) for start in image_folders)), None)
        except FileError as error:
            outside.append(str(error))
            continue
        if found is None:
            missing.append(name)
        else:
            images[image_id] = annotations.add_image(found, file, image_id, entry.get("width"), entry.get("height"))
    if outside:
        problems.append(Problem(file, "path-outside", examples(outside), len(outside)))
    if missing:
        where = " or ".join(f"{start or '.'}/" for start in image_folders)
        detail = f"{len(missing)} not in {where}: {examples(map(repr, missing))}"
        problems.append(Problem(file, "missing-image", detail, len(missing)))
    return images


def _objects(
    entries: list[dict[str, Any]],
    file: str,
    images: dict[int, int],
    categories: dict[int, int],
    annotations: Annotations,
    problems: list[Problem],
) -> None:
    strays, unknown, malformed, again = [], [], [], []
    first: dict[int, dict[str, Any]] = {}
    known: dict[
        int, set[str]
    ] = {}  # of ids that come again; some tools give one id to all, so that no list is searched
    for entry in entries:
        annotation_id, image_id, category = (entry.get(key) for key in ("id", "image_id", "category_id"))
        reference = annotation_id if _is_id(annotation_id) else -1
        # The same id for different objects is common and harmless: only what is the same in all is a repetition.
        if reference != -1 and first.setdefault(reference, entry) is not entry:
            texts, text = known.setdefault(reference, {repr(first[reference])}), repr(entry)
            if text in texts:
                again.append(f"annotation id {reference}")
                continue
            texts.add(text)
        if not _is_id(image_id) or image_id not in images:
            strays.append(f"annotation id {brief(annotation_id)} of image {brief(image_id)}")
        elif not _is_id(category) or category not in categories:
            unknown.append(f"annotation id {brief(annotation_id)} has category {brief(category)}")
        elif (box := _box(entry.get("bbox"))) is None:
            malformed.append(f"annotation id {brief(annotation_id)}")
        elif images[image_id] >= 0:
            area = entry.get("area")
            annotations.add_box(
                images[image_id],
                box,
                categories[category],
                reference,
                crowd=entry.get("iscrowd") in (1, True),
                area=area if _is_number(area) else 0.0,
            )
    for what, found in (
        ("annotation-without-image", strays),
        ("unknown-category", unknown),
        ("box-malformed", malformed),
        ("repeated-annotation", again),
    ):
        if found:
            problems.append(Problem(file, what, f"{len(found)}: {examples(found)}", len(found)))


def _box(bbox: object) -> tuple[float, float, float, float] | None:
    """Return x1, y1, x2, y2 of COCO's x, y, width, height."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        return None
    x, y, width, height = map(float, bbox)
    return x, y, x + width, y + height


def _is_number(value: object) -> TypeGuard[float]:
    # JSON's whole numbers can be larger than any float.
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def _is_id(value: object) -> TypeGuard[int]:
    return type(value) is int and abs(value) < 2**63


def _id(entry: dict[str, Any], where: str) -> int:
    value = entry.get("id")
    if not _is_id(value):
        raise FileError(f"expected whole numbers as ids in {where!r}, got {type(value).__name__}")
    return value


def _repeated(values: list[Any]) -> list[Any]:
    return [value for value, times in Counter(values).items() if times > 1]
