"""COCO files that are broken, and what becomes of them."""

from __future__ import annotations

import codecs
import json
import math
import os
from pathlib import Path
from typing import Any

from tests.data.hostile.outcomes import GOOD, Case, Harm, Loads, Refused
from tests.data.layouts import SAMPLES, coco_instances

FILE = "annotations/instances_train2017.json"
TRAIN = coco_instances(SAMPLES[:3])
CATEGORIES = TRAIN["categories"]
WIDTH, HEIGHT, OBJECTS = GOOD["a.png"]


def annotation(**keys: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 10]} | keys


def instances(**changes: Any) -> Harm:
    """Other values for keys of the training instances."""

    def harm(root: Path) -> None:
        (root / FILE).write_text(json.dumps(TRAIN | changes))

    return harm


def one_more(**keys: Any) -> Harm:
    """The good annotations and one that is not like them."""
    return instances(annotations=[*TRAIN["annotations"], annotation(**keys)])


def image(**keys: Any) -> Harm:
    """Other values for keys of the first image."""
    return instances(images=[TRAIN["images"][0] | keys, *TRAIN["images"][1:]])


def content(data: bytes) -> Harm:
    def harm(root: Path) -> None:
        (root / FILE).write_bytes(data)

    return harm


def without(key: str) -> Harm:
    return content(json.dumps({name: value for name, value in TRAIN.items() if name != key}).encode())


def linked_out(place: str) -> Harm:
    """A file or folder moved out of the data folder, and a symbolic link left in its place."""

    def harm(root: Path) -> None:
        (root / place).rename(root.parent / "moved")
        (root / place).symlink_to(root.parent / "moved")

    return harm


def sparse(root: Path) -> None:
    """Eight GiB that take no room on the disk."""
    os.truncate(root / FILE, 2**33)


def dropped(what: str, bbox: Any) -> Case:
    return (f"box {str(bbox)[:30]}", one_more(bbox=bbox), Loads(problems={what: 1}))


def clipped(bbox: list[float], box: list[float]) -> Case:
    images = {"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", box)])}
    return (f"box {bbox}", one_more(bbox=bbox), Loads(images, {"box-clipped": 1}))


def malformed(name: str, harm: Harm, words: str) -> Case:
    return (name, harm, Refused(FILE, "malformed-annotations", words))


BOXES: list[Case] = [
    dropped("box-without-area", [5, 5, 0, 10]),
    dropped("box-without-area", [5, 5, 10, 0.0]),
    (
        "box of a negative width",
        one_more(bbox=[5, 5, -3, 10]),
        Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [2, 5, 5, 15])])}, {"corners-swapped": 1}),
    ),
    dropped("box-without-area", [5, 5, 1e-9, 10]),
    dropped("box-not-finite", [math.nan, 5, 10, 10]),
    dropped("box-not-finite", [5, 5, math.inf, 10]),
    dropped("box-not-finite", [1e308, 5, 1e308, 10]),
    dropped("box-outside", [50, 5, 10, 10]),
    dropped("box-outside", [-20, -20, 10, 10]),
    dropped("box-outside", [5, 30, 10, 10]),
    dropped("box-outside", [1e300, 1e300, 1e290, 1e290]),
    dropped("box-not-numbers", [5, 5, 10]),
    dropped("box-missing", []),
    dropped("box-missing", None),
    dropped("box-not-numbers", "5 5 10 10"),
    dropped("box-not-numbers", [5, 5, "1_0", 10]),
    dropped("box-not-numbers", [5, 5, True, 10]),
    dropped("box-not-numbers", [10**400, 5, 10, 10]),
    dropped("box-not-numbers", {"x": 5}),
    *(
        (
            f"box {bbox}",
            one_more(bbox=bbox),
            Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [5, 5, 15, 12])])}, {"box-in-other-form": 1}),
        )
        for bbox in ([5, 5, "10", 7], [[5, 5, 10, 7]], {"x": 5, "y": 5, "width": 10, "height": 7})
    ),
    *(
        (
            f"mask {str(mask)[:40]}",
            one_more(bbox=None, segmentation=mask),
            Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [5, 6, 15, 12])])}, {"box-from-mask": 1}),
        )
        for mask in (
            [[5, 6, 15, 6, 15, 12]],
            [[5, 6, 9, 6, 9, 9], [9, 9, 15, 12, 9, 12]],
            {"size": [30, 40], "counts": [156, 6, *[24, 6] * 9, 768]},
            {"size": [30, 40], "counts": "l46h000000000000000000Xg0"},
        )
    ),
    *(
        (f"mask {str(mask)[:40]}", one_more(bbox=None, segmentation=mask), Loads(problems={"box-missing": 1}))
        for mask in (
            [[]],
            [[1]],
            [["a", "b"]],
            {"size": [30, 40]},
            {"size": [0, 0], "counts": [1, 2]},
            7,
            {"size": [30, 40], "counts": "~" * 99},
            {"size": [30, 40], "counts": [10**400, 5]},
            [[None] * 6],
        )
    ),
    clipped([-5, 5, 10, 10], [0, 5, 5, 15]),
    clipped([35, 25, 10, 10], [35, 25, 40, 30]),
    clipped([-1e30, -1e30, 2e30, 2e30], [0, 0, 40, 30]),
]

WHOLE_NUMBERS = "expected whole numbers as ids"
ENTRIES: list[Case] = [
    ("two categories of one id", instances(categories=[*CATEGORIES, {"id": 1, "name": "again"}]),
     Refused(FILE, "duplicate-category", "ids 1")),
    ("two images of one id", instances(images=[*TRAIN["images"], TRAIN["images"][0]]),
     Refused(FILE, "duplicate-image-id", "ids 1")),
    ("unknown category", one_more(category_id=99),
     Refused(FILE, "unknown-category", "1: annotation id 7 has category 99")),
    ("no category", one_more(category_id=None), Refused(FILE, "unknown-category", "has category None")),
    ("a list as category", one_more(category_id=[1]), Refused(FILE, "unknown-category")),
    ("true as category", one_more(category_id=True), Refused(FILE, "unknown-category")),
    ("annotations of images that are not listed", instances(
        annotations=[*TRAIN["annotations"], *(annotation(image_id=key) for key in (55, None, [1]))]
    ), Loads(problems={"annotation-without-image": 3})),
    malformed("annotations are an object", instances(annotations={}), "list under the key 'annotations', but got dict"),
    malformed("annotations are null", instances(annotations=None), "under the key 'annotations', but got NoneType"),
    malformed("annotations are numbers", instances(annotations=[1]), "expected objects in 'annotations'"),
    malformed("an image's id is no text", image(id=""), WHOLE_NUMBERS),
    malformed("an image's id is enormous", image(id=10**30), WHOLE_NUMBERS),
    malformed("an image has no id", instances(images=[{"file_name": "a.png"}]), WHOLE_NUMBERS),
    malformed("an image has no name", instances(images=[{"id": 1}]), "expected a file_name for image 1"),
    malformed("an image's name is a list", image(file_name=["a.png"]), "expected a file_name for image 1"),
    malformed("a category has no name", instances(categories=[{"id": 1}]), "expected a name for category 1"),
    malformed("a category's id is a fraction", instances(categories=[{"id": 1.5, "name": "x"}]), WHOLE_NUMBERS),
    *(malformed(f"no {key}", without(key), f"'{key}'") for key in ("images", "annotations", "categories")),
    ("a missing image", image(file_name="gone.png"), Refused(FILE, "missing-image", "1 not in train2017/.*gone")),
    ("an image without a name's text", image(file_name=""), Refused(FILE, "missing-image")),
    ("NUL in a name", image(file_name="a\0.png"), Refused(FILE, "missing-image")),
    ("half a character in a name", image(file_name="\ud800/\ud800.png"), Refused(FILE, "missing-image")),
    ("an enormous name", image(file_name="x/" * 3000 + "gone.png"), Refused(FILE, "missing-image")),
    ("the folder as image", image(file_name="."), Refused(FILE, "missing-image")),
    ("two levels up", image(file_name="../../secret.png"), Refused(FILE, "path-outside", r"secret\.png' leads out")),
    ("up by detours", image(file_name="x/../../../secret.png"), Refused(FILE, "path-outside")),
    ("an absolute name", image(file_name="/etc/hostname"), Refused(FILE, "path-outside", "'/etc/hostname' leads out")),
    *((f"size {size}", image(**{"width": None, "height": None} | size), Loads())
      for size in ({}, {"width": 0, "height": 0}, {"width": "40", "height": 30}, {"width": math.nan, "height": 1},
                   {"width": 1e99, "height": 30}, {"width": -40, "height": -30})),
    ("the sides exchanged", image(width=30, height=40),
     Refused("train2017/a.png", "size-mismatch", "is 40 x 30, but was annotated as 30 x 40", opened=True)),
]  # fmt: skip

FILES: list[Case] = [
    *(malformed(f"content {data[:12]!r}", content(data), "") for data in (
        b"", b"{", b"[]", b"null", json.dumps(TRAIN).encode()[:-20],
        json.dumps(TRAIN).encode("utf-8").replace(b"ant", b"\xff\xfe"), json.dumps(TRAIN).encode("utf-16")[:-3],
        b"[" * 200_000, b'{"a":' * 200_000, b'{"images": ' + b"9" * 6000 + b"}", bytes(range(256)),
        b"\x89PNG\r\n\x1a\n",
    )),
    ("UTF-8 with a byte order mark", content(codecs.BOM_UTF8 + json.dumps(TRAIN).encode()), Loads()),
    ("UTF-16", content(json.dumps(TRAIN).encode("utf-16")), Loads()),
    malformed("more bytes than memory", sparse, "has 8589934592 bytes, more than"),
    ("the file is a link out of the folder", linked_out(FILE), Refused(FILE, "path-outside", "symbolic link")),
    ("its folder is a link out of the folder", linked_out("train2017"),
     Refused(FILE, "path-outside", "'train2017' is a symbolic link that leads out")),
]  # fmt: skip

CASES = [*BOXES, *ENTRIES, *FILES]
