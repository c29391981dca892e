"""Splits that are stated of single images, and names of images that several folders have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.data.odd.converted import cvat, cvat_image, cvat_set
from tests.data.odd.metadata import columns
from tests.data.odd.names import moved, then
from tests.data.odd.sets import (
    ALL,
    SPLITS,
    Make,
    Odd,
    Refused,
    coco,
    picture,
    reads,
    write,
    write_coco,
    write_voc,
)
from tests.data.odd.tables import HEADER, lines

SPLIT_OF = {stem: split for split, stems in SPLITS.items() for stem in stems}
DIFFER = "splits-differ"


def of_split(content: dict[str, Any]) -> None:
    """The split of each image, as a key."""
    for entry in content["images"]:
        entry["split"] = SPLIT_OF[entry["file_name"][-5]].upper()


def coco_in_folders(root: Path, folders: str = "{}/", change: Callable[[dict[str, Any]], object] = dict) -> None:
    """COCO's form in one file, which names the folders."""
    content = coco(ALL)
    for entry in content["images"]:
        stem = entry["file_name"][0]
        entry["file_name"] = f"{folders.format(SPLIT_OF[stem])}{stem}.jpg"
        picture(root / entry["file_name"], stem)
    change(content)
    write(root / "annotations.json", json.dumps(content))


def in_rest(content: dict[str, Any]) -> None:
    """The images to train with in a folder that says nothing."""
    for entry in content["images"]:
        entry["file_name"] = entry["file_name"].replace("train/", "images/")


COCO: list[Odd] = [
    ("splits in one file, by folders", coco_in_folders, reads()),
    ("splits in one file, by folders below others", lambda root: coco_in_folders(root, "data/{}2017/images/"), reads()),
    (
        "splits in one file, by folders with free names in them",
        lambda root: coco_in_folders(root, "{}/day 1/"),
        reads(),
    ),
    (
        "folders that only begin with a split's name",
        lambda root: coco_in_folders(root, "images/{}er_7/"),
        reads(whole=True),
    ),
    ("splits in one file, by a key", lambda root: coco_in_folders(root, "images/", of_split), reads()),
    (
        "a key that goes by other folders",
        lambda root: coco_in_folders(root, "test/", of_split),
        reads(DIFFER),
    ),
    (
        "a folder for validation alone",
        then(
            lambda root: coco_in_folders(root, change=in_rest),
            lambda root: [picture(root / f"images/{stem}.jpg", stem) for stem in SPLITS["train"]],
        ),
        reads("split-of-the-rest"),
    ),
]


def same_names(file: str, content: str, other: str = "r") -> Make:
    """Two folders with pictures of the same names, and a list of bare names."""

    def make(root: Path) -> None:
        for stem in ALL:
            picture(root / f"train/{stem}.jpg")
            picture(root / f"val/{stem}.jpg", other or stem)
        write(root / file, content)

    return make


AMBIGUOUS = Refused("ambiguous-image", "'p.jpg' can be train/p.jpg or val/p.jpg")
COCO += [
    ("two folders with other pictures of the same names", same_names("all.json", json.dumps(coco(ALL))), AMBIGUOUS),
    (
        "two folders with other pictures of the same names, one called after the split",
        then(write_coco, lambda root: [picture(root / f"images/{stem}.jpg", "z") for stem in ALL]),
        reads(),
    ),
    (
        "pictures beside the file, and others of the same names",
        then(
            lambda root: write_coco(root, None, "images/all.json", "images", splits={"x": ALL}),
            lambda root: [picture(root / f"train/{stem}.jpg", "z") for stem in ALL],
        ),
        reads("unread-files", whole=True),
    ),
]


def with_column(line: str, values: dict[str, str], column: str = "split") -> Make:
    def make(root: Path) -> None:
        for stem in ALL:
            picture(root / f"images/{stem}.jpg")
        written = [f"{text_},{values[stem]}" for stem in ALL for text_ in lines((stem,), name=line).splitlines()]
        write(root / "annotations.csv", f"{HEADER.strip()},{column}\n" + "\n".join(written))

    return make


CSV: list[Odd] = [
    ("two folders with other pictures of the same names", same_names("all.csv", HEADER + lines(ALL)), AMBIGUOUS),
    ("splits in one table, by folders", lambda root: table_in_folders(root), reads()),
    ("splits in one table, by a column", with_column("{}.jpg", SPLIT_OF), reads()),
    ("a column of another name", with_column("{}.jpg", SPLIT_OF, "Subset"), reads()),
    ("a column of any name", with_column("{}.jpg", SPLIT_OF, "part of"), reads()),
    (
        "a flag of the images to train with",
        with_column("{}.jpg", {stem: str(int(split == "train")) for stem, split in SPLIT_OF.items()}, "is_train"),
        reads(),
    ),
    (
        "numbers of folds",
        with_column("{}.jpg", {stem: str(number % 2) for number, stem in enumerate(ALL)}, "fold"),
        reads("folds-not-read", whole=True),
    ),
    ("folds with names of splits", with_column("{}.jpg", SPLIT_OF, "fold"), reads()),
    ("a column that is no split", with_column("{}.jpg", dict.fromkeys(ALL, "A"), "set"), reads(whole=True)),
    (
        "a column that goes by another file name",
        then(with_column("{}.jpg", SPLIT_OF), moved("annotations.csv", "train.csv")),
        reads(DIFFER),
    ),
    (
        "an image in two splits",
        then(
            with_column("{}.jpg", SPLIT_OF),
            lambda root: write(
                root / "annotations.csv",
                (root / "annotations.csv").read_text() + f"\n{lines(('p',)).splitlines()[0]},val\n",
            ),
        ),
        Refused("splits-contradict", "p.jpg"),
    ),
]


def table_in_folders(root: Path) -> None:
    for split, stems in SPLITS.items():
        for stem in stems:
            picture(root / split / f"{stem}.jpg")
    write(
        root / "labels.csv", HEADER + "".join(lines(stems, name=f"{split}/{{}}.jpg") for split, stems in SPLITS.items())
    )


def metadata_in_root(root: Path) -> None:
    for split, stems in SPLITS.items():
        for stem in stems:
            picture(root / split / f"{stem}.jpg")
    entries = [{"file_name": f"{SPLIT_OF[stem]}/{stem}.jpg", "objects": columns(stem)} for stem in ALL]
    write(root / "metadata.jsonl", "".join(f"{json.dumps(entry)}\n" for entry in entries))


IMAGEFOLDER: list[Odd] = [("splits in one file, by folders", metadata_in_root, reads())]
VOC: list[Odd] = [
    (
        "XML in one folder, images by split",
        lambda root: write_voc(root, lists=None, xmls="annotations/{}.xml", images="images/{split}/{}.jpg"),
        reads(),
    ),
]
CVAT: list[Odd] = [
    (
        "two folders with other pictures of the same names",
        same_names("all.xml", cvat("".join(cvat_image(stem, number) for number, stem in enumerate(ALL)))),
        AMBIGUOUS,
    ),
    (
        "splits in names alone",
        then(
            cvat_set(change=lambda text: re.sub(r'"([pqrs])\.jpg"', lambda m: f'"{SPLIT_OF[m[1]]}/{m[1]}.jpg"', text)),
            *(moved(f"images/{stem}.jpg", f"{SPLIT_OF[stem]}/{stem}.jpg") for stem in ALL),
        ),
        reads(),
    ),
]
SETS = {"coco": COCO, "csv": CSV, "imagefolder": IMAGEFOLDER, "voc": VOC, "cvat": CVAT}
