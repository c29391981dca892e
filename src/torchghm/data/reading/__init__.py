"""One file or folder for each layout: what is looked for in a folder, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torchghm.data.assumptions import Assumptions
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import Problem
from torchghm.data.reading import csv_tables, metadata_lines, voc, voc_places, yolo, yolo_sources
from torchghm.data.reading.coco import places as coco_places
from torchghm.data.reading.coco.reader import read_coco
from torchghm.data.reading.foreign import converted, converted_places
from torchghm.data.records import Records
from torchghm.data.shards import shard_reading

Reader = Callable[[DataFolder, Assumptions, list[Problem]], tuple[tuple[str, ...], dict[str, Records]]]


def _never(folder: DataFolder) -> bool:
    return False


class Layout(NamedTuple):
    """A layout of data sets.

    Attributes:
        usual: whether a folder has it as its makers meant it.
        like: whether a folder has something like it.
        read: returns classes and splits, and adds to the problems.
        looked_for: in words.
        other: whether a folder without any of the others is in the format of another tool.
        lists: where one file lists many images, the suffix of such files and whether a file is one.
    """

    usual: Callable[[DataFolder], object]
    like: Callable[[DataFolder], object]
    read: Reader
    looked_for: str
    other: Callable[[DataFolder], object] = _never
    lists: tuple[str, Callable[[DataFolder, str], object]] | None = None


def _converted(name: str) -> Layout:
    return Layout(
        _never,
        _never,
        partial(converted.read_converted, name),
        converted_places.LOOKED_FOR[name],
        partial(converted_places.annotation_files, name),
    )


LAYOUTS: dict[str, Layout] = {
    "coco": Layout(
        coco_places.usual_coco_files,
        coco_places.other_coco_files,
        read_coco,
        coco_places.LOOKED_FOR,
        lists=(".json", coco_places.has_keys),
    ),
    "voc": Layout(voc_places.is_usual_voc, voc_places.xml_folders, voc.read_voc, voc_places.LOOKED_FOR),
    "yolo": Layout(yolo_sources.usual_settings, yolo_sources.yolo_source, yolo.read_yolo, yolo.LOOKED_FOR),
    "csv": Layout(
        _never,
        csv_tables.csv_tables,
        csv_tables.read_csv,
        csv_tables.LOOKED_FOR,
        lists=(".csv", csv_tables.table_of),
    ),
    "imagefolder": Layout(
        _never,
        metadata_lines.metadata_files,
        metadata_lines.read_metadata,
        metadata_lines.LOOKED_FOR,
        lists=(metadata_lines.NAME, metadata_lines.has_objects),
    ),
    **{name: _converted(name) for name in converted_places.LOOKED_FOR},
    "shards": Layout(shard_reading.is_sharded, _never, shard_reading.read_shards, shard_reading.LOOKED_FOR),
}
