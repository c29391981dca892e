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
_DOTA = re.compile(rb"\s*(?:" + _NUMBER + rb"\s+){8}[A-Za-z]\S*(?: +[0-9])?\s*$")
_OF_TOOLKIT = re.compile(rb"[A-Za-z][^0-9]*(?: " + _NUMBER + rb"){4}\s*$")
_VISDRONE = re.compile(rb"(?:-?[0-9]+,){7}-?[0-9]+,?\s*$")
_IMAGE = re.compile(rb"\S.*\.(?:jpg|jpeg|png)\s*$", re.IGNORECASE)
_MOT = re.compile(rb"[0-9]+,-?[0-9]+(?:," + _NUMBER + rb"){4,8}\s*$")
_GTSDB = re.compile(rb"\S.*\.[A-Za-z]{3,4}(?:;[0-9]+){5}\s*$")
_TEN = re.compile(rb"(?:[0-9]+ ){9}[0-9]+\s*$")
_AUTOML = re.compile(rb"(?:(?:TRAIN|TRAINING|VALIDATE|VALIDATION|TEST|UNASSIGNED)?,)?gs://")
_MAKE_SENSE = re.compile(rb"[^,]+(?:," + _NUMBER + rb"){4},[^,]+\.[A-Za-z]{3,4},[0-9]+,[0-9]+\s*$")
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


def _all_lines(pattern: re.Pattern[bytes], head: bytes) -> bool:
    lines = [line for line in head.splitlines()[:-1] or head.splitlines() if line.strip()]
    return bool(lines) and all(map(pattern.match, lines))


def _is_dota(head: bytes) -> bool:
    lines = [line for line in head.splitlines() if not line.startswith((b"imagesource:", b"gsd:"))]
    return _all_lines(_DOTA, b"\n".join(lines))


def _is_wider(head: bytes) -> bool:
    lines = head.splitlines()
    return len(lines) > 2 and bool(_IMAGE.match(lines[0])) and lines[1].strip().isdigit() and bool(_TEN.match(lines[2]))


def _has_columns(*names: bytes) -> Callable[[bytes], bool]:
    def is_head_of(head: bytes) -> bool:
        header = head.replace(b"\xef\xbb\xbf", b"").partition(b"\n")[0].lower()
        columns = {cell.strip(b' "\r\t') for cell in re.split(rb"[,;\t]", header)}
        return set(names) <= columns

    return is_head_of


def _is_record(head: bytes) -> bool:
    # A record begins with its length in eight bytes; the names of its features follow soon.
    return head[4:8] == bytes(4) and (b"image/encoded" in head or b"image/object/bbox" in head or len(head) == HEAD)


_LABEL_STUDIO = "by Label Studio's export to COCO or YOLO"
_DATUMARO = "with Datumaro: datum convert -i DIR -if {} -f coco_instances -o OUT -- --save-media"
OTHER_TOOLS = (
    OtherTool("KITTI's label files", ".txt", _is_kitti, _DATUMARO.format("kitti_detection")),
    OtherTool("a list of images with boxes (YOLOv3 in Keras, YOLOv4)", ".txt", lists_boxes, "by exporting COCO or VOC"),
    OtherTool("Datumaro's own JSON", ".json", _has(b"categories", b"items"), _DATUMARO.format("datumaro")),
    OtherTool("Create ML's JSON", ".json", _has(b"coordinates", b"label", b"image"), "by exporting COCO or VOC"),
    OtherTool(
        "Supervisely's JSON", ".json", _has(b"objects", b"classTitle"), "by Supervisely's own export to COCO or VOC"
    ),
    OtherTool("Label Studio's JSON", ".json", _has(b"from_name", b"result"), _LABEL_STUDIO),
    OtherTool("Labelbox's export", ".json", _has(b"data_row", b"projects"), "by Labelbox's converter to COCO"),
    OtherTool("BDD100K's JSON", ".json", _has(b"box2d", b"labels"), "with BDD100K's own script to COCO"),
    OtherTool("DOTA's label files of rotated boxes", ".txt", _is_dota, "by exporting COCO with enclosing boxes"),
    OtherTool(
        "VisDrone's label files", ".txt", lambda head: _all_lines(_VISDRONE, head), "to YOLO, by class, x, y, sides"
    ),
    OtherTool("WIDER FACE's list", ".txt", _is_wider, _DATUMARO.format("wider_face")),
    OtherTool(
        "label files of the OIDv4 toolkit",
        ".txt",
        lambda head: _all_lines(_OF_TOOLKIT, head),
        "to VOC or CSV, by corners",
    ),
    OtherTool("Label Studio's JSON-MIN", ".json", _has(b"original_width", b"rectanglelabels"), _LABEL_STUDIO),
    OtherTool("Label Studio's CSV", ".csv", _has_columns(b"annotation_id", b"annotator"), _LABEL_STUDIO),
    OtherTool("Labelbox's export", ".ndjson", _has(b"data_row", b"projects"), "by Labelbox's converter to COCO"),
    OtherTool("Scale's tasks", ".json", _has(b"task_id", b"response"), "to COCO or CSV"),
    OtherTool("V7 Darwin's JSON", ".json", _has(b"annotations", b"slots"), "with darwin-py: darwin convert coco"),
    OtherTool(
        "SuperAnnotate's JSON", ".json", _has(b"instances", b"className"), "with SuperAnnotate's converter to COCO"
    ),
    OtherTool("a manifest of SageMaker Ground Truth", ".manifest", _has(b"source-ref"), "to COCO or CSV"),
    OtherTool("CrowdHuman's lines", ".odgt", _has(b"gtboxes"), "to COCO, by fbox; tags of ignored regions are crowds"),
    OtherTool("Azure ML's lines", ".jsonl", _has(b"image_url", b"topX"), "to COCO or CSV, by pixels"),
    OtherTool("lines for PaliGemma", ".jsonl", lambda head: b'"<loc' in head, "by exporting COCO or VOC"),
    OtherTool("VIA's CSV", ".csv", _has_columns(b"filename", b"region_shape_attributes"), "by VIA's export to JSON"),
    OtherTool("AutoML's CSV", ".csv", lambda head: bool(_AUTOML.match(head)), "to a CSV with corners in pixels"),
    OtherTool(
        "a table of boxes in one column",
        ".csv",
        _has_columns(b"bbox"),
        "to the columns filename, class, xmin, ymin, xmax, ymax",
    ),
    *(
        OtherTool(
            "a table of boxes by their sides", ".csv", _has_columns(*names), "to the columns xmin, ymin, xmax, ymax"
        )
        for names in (
            (b"x", b"y", b"w", b"h"),
            (b"x", b"y", b"width", b"height"),
            (b"xc", b"yc"),
            (b"bbox_x", b"bbox_y"),
            (b"left", b"top", b"width", b"height"),
        )
    ),
    OtherTool(
        "MakeSense's CSV", ".csv", lambda head: _all_lines(_MAKE_SENSE, head), "by MakeSense's export to VOC or YOLO"
    ),
    OtherTool(
        "FiftyOne's JSON", ".json", _has(b"bounding_box", b"label"), "by FiftyOne's export to COCODetectionDataset"
    ),
    OtherTool(
        "FiftyOne's JSON", ".json", _has(b"bounding_box", b"_cls"), "by FiftyOne's export to COCODetectionDataset"
    ),
    OtherTool("VoTT's JSON", ".json", _has(b"boundingBox", b"asset"), "by VoTT's export to CSV or VOC"),
    OtherTool("VoTT's JSON", ".json", _has(b"boundingBox", b"assets"), "by VoTT's export to CSV or VOC"),
    OtherTool("VIA 3's project", ".json", _has(b"vid", b"xy", b"av"), "by VIA 2, or its export to COCO"),
    OtherTool(
        "Cityscapes' polygons", ".json", _has(b"imgHeight", b"objects", b"polygon"), _DATUMARO.format("cityscapes")
    ),
    OtherTool("xView's GeoJSON", ".geojson", _has(b"bounds_imcoords"), "to COCO or CSV, by bounds_imcoords"),
    OtherTool("Penn-Fudan's annotations", ".txt", lambda head: b"PASCAL Annotation" in head, "to VOC, by its corners"),
    OtherTool("tracks of MOT", ".txt", lambda head: _all_lines(_MOT, head), "to COCO, a category for each class"),
    OtherTool("UA-DETRAC's XML", ".xml", lambda head: b"<target_list>" in head, "to VOC, a file for each frame"),
    OtherTool("GTSDB's list", ".txt", lambda head: _all_lines(_GTSDB, head), "by calling it gt.csv"),
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
