"""Tar shards with an index: `shards.json` names classes and splits, `<split>.jsonl` has a line an image.

The shards are WebDataset's (`000000012.jpg` beside `000000012.json`), but are not read through: each line of the
index says where its image lies. So any image can be read at any time, and a run sees the same images in the same
order as from a folder.
"""

from __future__ import annotations

import json
import os
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from torchghm.data.assumptions import Assumptions
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, reported
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.shards.shard_members import BLOCK, LARGEST_IMAGE, Members
from torchghm.data.splitting.splits import in_split_order

INDEX_FILE = "shards.json"
LOOKED_FOR = INDEX_FILE
FORMAT = 1
LARGEST_INDEX = 16 * 2**20
LONGEST_LINE = 16 * 2**20


def is_sharded(folder: DataFolder) -> bool:
    """Return whether the folder has an index of shards."""
    return folder.file(INDEX_FILE) is not None


def read_shards(
    folder: DataFolder, assumptions: Assumptions, problems: list[Problem]
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes and splits of sharded data; what is wrong joins the problems.

    No shard is opened. The index is read line by line, so that memory holds the packed records alone.
    """
    classes: tuple[str, ...] = ()
    files: dict[str, str] = {}
    with reported(problems, INDEX_FILE):
        classes, files = _classes_and_splits(folder.read_text(INDEX_FILE, LARGEST_INDEX))
    shards = _Shards(folder)
    found = {}
    for split, file in files.items():
        with reported(problems, file):
            found[split] = _read_split(folder, file, classes, shards, assumptions)
    splits = {}
    for split, (images, places) in found.items():
        members = Members(shards.base, tuple(shards.numbers), np.array(places, dtype=np.int64).reshape(-1, 4))
        records = images.records(problems, members)
        splits[split] = images.remaining(records)
    return classes, in_split_order(splits)


class _Shards:
    """The tar files that an index names: each is looked up once."""

    def __init__(self, folder: DataFolder) -> None:
        place = folder.shards_at
        self.numbers: dict[str, int] = {}
        self.base: Path | str = folder.root
        self._folder: DataFolder | None = folder
        if place is not None and "://" in place:
            self.base, self._folder = place, None
        elif place is not None:
            self.base, self._folder = Path(place), DataFolder(Path(place))
        self._sizes: list[int | None] = []

    def number(self, name: str, end: int) -> int:
        """Return the number of a shard that has to be at least so long; that of a remote one is not asked for."""
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.tar", name):
            raise FileError(f"expected the name of a tar file beside the index, but got {name!r}", "path-outside")
        if name not in self.numbers:
            size = None if self._folder is None else self._folder.size(name)
            if self._folder is not None and size is None:
                raise FileError(f"there is no shard {name!r} in {self.base}", "unusable-shard")
            self.numbers[name] = len(self._sizes)
            self._sizes.append(size)
        number = self.numbers[name]
        size = self._sizes[number]
        if size is not None and end > size:
            raise FileError(f"the shard {name!r} has {size} bytes, and an image to byte {end}", "unusable-shard")
        return number


def _classes_and_splits(content: str) -> tuple[tuple[str, ...], dict[str, str]]:
    index = _parse(content)
    if index.get("format") != FORMAT:
        raise FileError(f"expected {FORMAT} under the key 'format', but got {str(index.get('format'))[:20]!r}")
    classes, splits = index.get("classes"), index.get("splits")
    if not _is_list_of(classes, str) or not all(classes) or len(set(classes)) < len(classes):
        raise FileError("expected a list of different class names under the key 'classes'")
    if not isinstance(splits, dict) or not _is_list_of([*splits.values()], str) or not all([*splits, *splits.values()]):
        raise FileError("expected index files by split under the key 'splits'")
    return tuple(classes), splits


def _read_split(
    folder: DataFolder, file: str, classes: tuple[str, ...], shards: _Shards, assumptions: Assumptions
) -> tuple[Annotations, array[int]]:
    # What the numbers are is known: we have written them.
    annotations = Annotations(folder.root, "line", assumptions=Assumptions(boxes="xyxy", crowds=assumptions.crowds))
    places = array("q")
    for number, line in enumerate(folder.lines(file, LONGEST_LINE), start=1):
        try:
            entry = _entry(line, len(classes))
            shard = shards.number(entry.shard, entry.offset + entry.size)
        except FileError as error:
            raise FileError(f"line {number}: {error}", error.what) from error
        image = annotations.add_image(entry.name, file, entry.image_id, entry.width, entry.height)
        for box, label, crowd, area in entry.objects:
            annotations.add_box(image, box, label, number, crowd=crowd, area=area)
        places.extend((shard, entry.key, entry.offset, entry.size))
    return annotations, places


@dataclass(frozen=True)
class _Entry:
    """A line of the index, with keys of these names; objects in four lists there."""

    name: str
    image_id: int
    width: int
    height: int
    shard: str
    key: int
    offset: int
    size: int
    objects: Iterator[tuple[list[float], int, bool, float]]


def _entry(line: bytes, classes: int) -> _Entry:
    content = _parse(line)

    def whole(key: str, low: int, high: int) -> int:
        value = content.get(key)
        if type(value) is not int or not low <= value <= high:
            raise FileError(f"expected a whole number from {low} to {high} under the key {key!r}")
        return value

    def text(key: str) -> str:
        value = content.get(key)
        if not isinstance(value, str) or not value:
            raise FileError(f"expected text under the key {key!r}")
        return value

    return _Entry(
        name=_inner_name(text("name")),
        image_id=whole("image_id", -(2**63) + 1, 2**63 - 1),
        width=whole("width", 1, 2**31 - 1),
        height=whole("height", 1, 2**31 - 1),
        shard=text("shard"),
        key=whole("key", 0, 10**18),
        offset=whole("offset", BLOCK, 2**62),
        size=whole("size", 1, LARGEST_IMAGE),
        objects=_objects(content, classes),
    )


def _objects(content: dict[str, Any], classes: int) -> Iterator[tuple[list[float], int, bool, float]]:
    """Return box, label, crowd and area of each object."""

    def column(key: str, *kinds: type) -> list[Any]:
        values = content.get(key)
        if not _is_list_of(values, *kinds) or len(values) != len(boxes):
            raise FileError(f"expected one entry for each of {len(boxes)} boxes under the key {key!r}")
        return values

    boxes: Any = content.get("boxes")
    if not isinstance(boxes, list) or not all(_is_list_of(box, float, int) and len(box) == 4 for box in boxes):
        raise FileError("expected lists of four numbers under the key 'boxes'")
    labels = column("labels", int)
    if not all(0 <= label < classes for label in labels):
        raise FileError(f"expected labels from 0 to {classes - 1}", "unknown-category")
    return zip(boxes, labels, column("crowd", bool), column("area", float, int), strict=True)


def _parse(content: str | bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileError(f"is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise FileError(f"expected a JSON object, but got {type(parsed).__name__}")
    return parsed


def _inner_name(name: str) -> str:
    """Return the name of an image, which is looked up nowhere, but joined to the root for messages."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise FileError("expected a name that a file can have under the key 'name'") from error
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise FileError(f"{name!r} leads out of the data folder", "path-outside")
    return name


def _is_list_of(values: object, *kinds: type) -> TypeGuard[list[Any]]:
    # Exact types: True is an int, and no label. Whole numbers larger than any float are no coordinates.
    return isinstance(values, list) and all(
        type(value) in kinds and (type(value) is not int or abs(value) < 2**63) for value in values
    )
