"""Second annotation files of one image, and names of images in files that have been copied or renamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.data.odd.converted import cvat, cvat_box, cvat_image, cvat_set, labelme, labelme_set, via, via_set
from tests.data.odd.names import NAME, moved, then
from tests.data.odd.sets import (
    SPLITS,
    Make,
    Odd,
    Refused,
    labels,
    reads,
    write,
    write_voc,
    write_yolo,
    xml,
)


def in_folders(root: Path) -> None:
    write_voc(root, lists=None, xmls="{split}/{}.xml", images="{split}/{}.jpg")


def without(*stems: str) -> dict[str, Any]:
    """A project of VIA in which these images have no objects."""
    entries = via(SPLITS["train"])
    for stem in stems:
        entries[f"{stem}.jpg1"]["regions"] = []
    return entries


def emptied(*stems: str) -> Callable[[Path], None]:
    return lambda root: write(root / "train/via_region_data.json", json.dumps(without(*stems)))


VOC: list[Odd] = [
    (
        "a copy of a file, with other objects",
        then(in_folders, lambda root: write(root / "train/p (1).xml", xml("q", name="p.jpg"))),
        Refused("duplicate-annotations", "p.jpg, as is train/p"),
    ),
    (
        "a copy of a file",
        then(in_folders, lambda root: write(root / "train/p - Copy.xml", xml("p"))),
        reads("repeated-image"),
    ),
    (
        "a second file, without objects",
        then(in_folders, lambda root: write(root / "train/empty.xml", xml("p", ""))),
        reads("repeated-image"),
    ),
]
OTHER = "other-filename"
LABELME: list[Odd] = [
    (
        "imagePath of another image",
        then(labelme_set(), lambda root: write(root / "train/q.json", json.dumps(labelme("q", name="p.jpg")))),
        reads(OTHER),
    ),
    ("imagePath of before the images were renamed", labelme_set(name="/home/x/IMG_{}.jpg"), reads(NAME)),
    (
        "imagePath of before the images were renamed, in a folder of their own",
        labelme_set("annotations/{}.json", "images/{}.jpg", name="IMG_{}.jpg"),
        reads(NAME, whole=True),
    ),
    (
        "a file called otherwise than its image",
        then(labelme_set(), moved("train/q.json", "train/2.json")),
        reads(),
    ),
    (
        "an old file of an image",
        then(labelme_set(), lambda root: write(root / "train/p_old.json", json.dumps(labelme("q", name="p.jpg")))),
        Refused("duplicate-annotations", "train/p.jpg, as is train/p.json"),
    ),
    (
        "a copy of a file",
        then(labelme_set(), lambda root: write(root / "train/p (1).json", json.dumps(labelme("p")))),
        reads("repeated-image"),
    ),
]
VIA: list[Odd] = [
    (
        "two projects, of which each has objects of some images",
        then(via_set(), lambda root: write(root / "train/b.json", json.dumps(without("p", "r"))), emptied("q")),
        reads("repeated-image"),
    ),
    (
        "two projects that differ",
        then(via_set(), lambda root: write(root / "train/b.json", json.dumps(via(("p",))).replace("48", "30"))),
        Refused("duplicate-annotations", "train/p.jpg"),
    ),
]
CVAT: list[Odd] = [
    (
        "an old export beside the new one",
        then(
            cvat_set(),
            lambda root: write(root / "old.xml", cvat(cvat_image("p", 0, shapes=cvat_box("hen", (1, 2, 9, 9))))),
        ),
        Refused("duplicate-annotations", "images/p.jpg, as is annotations.xml"),
    ),
]


def twice(second: Callable[[str], str], first: Callable[[str], str] = labels) -> Make:
    """YOLO with label files in labels/, and others beside the images to train with."""

    def make(root: Path) -> None:
        write_yolo(root)
        for stem in SPLITS["train"]:
            write(root / f"labels/train/{stem}.txt", first(stem))
            write(root / f"images/train/{stem}.txt", second(stem))

    return make


YOLO: list[Odd] = [
    ("the same labels beside the images", twice(lambda stem: labels(stem).replace("\n", "  \r\n")), reads()),
    (
        "other labels beside the images",
        twice(lambda stem: labels(stem).splitlines()[0]),
        Refused("duplicate-annotations", "differs from images/train/p.txt"),
    ),
    ("labels beside the images, and empty ones in labels/", twice(labels, lambda stem: ""), reads("labels-elsewhere")),
    ("empty labels beside the images", twice(lambda stem: ""), reads()),
    ("captions beside the images", twice(lambda stem: "a hen and 1 owl, 2 eggs\n"), reads()),
]
SETS = {"yolo": YOLO, "voc": VOC, "labelme": LABELME, "via": VIA, "cvat": CVAT}
