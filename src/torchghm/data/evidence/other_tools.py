"""Name a layout of another tool that is not read, so that its user learns what to convert."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import NamedTuple

from torchghm.data.folders.folder import DataFolder

HEAD = 2**14
"""Bytes that tell what a file is."""
LOOKED_AT = 4
"""Files of one kind in one folder."""
_NUMBER = rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_KITTI = re.compile(rb"[^\s,]+(?: " + _NUMBER + rb"){14,15}\s*$")
_BOXES = re.compile(rb"\S.*\.[A-Za-z]{3,4}(?: [0-9.]+,[0-9.]+,[0-9.]+,[0-9.]+,[0-9]+)+\s*$")


class OtherTool(NamedTuple):
    """A layout that is not read.

    Attributes:
        name: what its users call it.
        suffix: of its files, lower case.
        is_head_of: whether these first bytes are of such a file.
        remedy: how to have it converted.
    """

    name: str
    suffix: str
    is_head_of: Callable[[bytes], bool]
    remedy: str


def _has(*keys: bytes) -> Callable[[bytes], bool]:
    return lambda head: all(b'"' + key + b'"' in head for key in keys)


def _is_kitti(head: bytes) -> bool:
    lines = [line for line in head.splitlines()[:-1] or head.splitlines() if line.strip()]
    return bool(lines) and all(_KITTI.match(line) for line in lines)


def lists_boxes(head: bytes) -> bool:
    """Whether a text file is a list of images, each with its boxes behind it: `a.jpg 10,10,40,50,0 50,20,90,70,1`."""
    lines = [line for line in head.splitlines()[:-1] or head.splitlines() if line.strip()]
    return any(map(_BOXES.match, lines)) and all(_BOXES.match(line) or b"," not in line for line in lines)


def _is_record(head: bytes) -> bool:
    # A record begins with its length in eight bytes; the names of its features follow soon.
    return head[4:8] == bytes(4) and (b"image/encoded" in head or b"image/object/bbox" in head or len(head) == HEAD)


_DATUMARO = "with Datumaro: datum convert -i DIR -if {} -f coco_instances -o OUT -- --save-media"
OTHER_TOOLS = (
    OtherTool("KITTI's label files", ".txt", _is_kitti, _DATUMARO.format("kitti_detection")),
    OtherTool("a list of images with boxes (YOLOv3 in Keras, YOLOv4)", ".txt", lists_boxes, "by exporting COCO or VOC"),
    OtherTool("Datumaro's own JSON", ".json", _has(b"categories", b"items"), _DATUMARO.format("datumaro")),
    OtherTool("Create ML's JSON", ".json", _has(b"coordinates", b"label", b"image"), "by exporting COCO or VOC"),
    OtherTool(
        "Supervisely's JSON", ".json", _has(b"objects", b"classTitle"), "by Supervisely's own export to COCO or VOC"
    ),
    OtherTool(
        "Label Studio's JSON", ".json", _has(b"from_name", b"result"), "by Label Studio's export to COCO or YOLO"
    ),
    OtherTool("Labelbox's export", ".json", _has(b"data_row", b"projects"), "by Labelbox's converter to COCO"),
    OtherTool("BDD100K's JSON", ".json", _has(b"box2d", b"labels"), "with BDD100K's own script to COCO"),
    OtherTool("TFRecord", ".tfrecord", _is_record, "by exporting COCO or VOC beside it"),
    OtherTool("TFRecord", ".record", _is_record, "by exporting COCO or VOC beside it"),
    OtherTool("Parquet files", ".parquet", lambda head: head.startswith(b"PAR1"), "with the package datasets, to COCO"),
)


def other_tool(folder: DataFolder) -> str:
    """Return a sentence on the layout of another tool that a folder has: its name, a file, a remedy; else nothing."""
    for place in folder.tree():
        for tool in OTHER_TOOLS:
            for file in folder.files(place, (tool.suffix,))[:LOOKED_AT]:
                if tool.is_head_of(folder.head(file, HEAD)):
                    return f"{posixpath.normpath(file)} looks like {tool.name}, not read; convert it {tool.remedy}"
    return ""
