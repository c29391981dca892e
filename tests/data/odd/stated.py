"""Statements that contradict each other, or that are easily passed over: class lists, splits, names, second files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.data.odd.converted import cvat, cvat_box, cvat_image, cvat_set, labelme, labelme_set, via, via_set
from tests.data.odd.metadata import columns
from tests.data.odd.names import NAME, moved, then
from tests.data.odd.sets import (
    ALL,
    CLASSES,
    SPLITS,
    TRUTH,
    Make,
    Odd,
    Refused,
    coco,
    fractions,
    picture,
    reads,
    text,
    write,
    write_coco,
    write_voc,
    write_yolo,
    xml,
)
from tests.data.odd.tables import HEADER, lines

LISTS_DIFFER, CONTRADICT = "class-lists-differ", "class-lists-contradict"


def of_folders(places: str, listed: str, **lists: tuple[str, ...]) -> Make:
    """YOLO without settings: the label files of each split count classes by the list beside them."""

    def make(root: Path) -> None:
        for split, names in lists.items():
            for stem in SPLITS[split]:
                lines = [text(names.index(name), *fractions(box)) for name, box in TRUTH[stem]]
                write(root / places.format(stem, split=split), "\n".join(lines))
                picture(root / f"{split}/images/{stem}.jpg")
            write(root / listed.format(split=split), "\n".join(names) + "\n")

    return make


def flat(**lists: str) -> Make:
    """YOLO in images/ and labels/ with lists of classes."""

    def make(root: Path) -> None:
        write_yolo(root, None, images="images/{}.jpg", places="labels/{}.txt")
        for place, content in lists.items():
            write(root / place, content)

    return make


def lists(*files: tuple[str, str]) -> Make:
    return flat(**dict(files))


NAMES, OTHERS = "hen\nowl\n", "owl\nhen\n"
THREE = ("owl", "emu", "hen")
YOLO: list[Odd] = [
    (
        "each folder has a list in another order",
        of_folders("{split}/labels/{}.txt", "{split}/labels/classes.txt", train=CLASSES, val=CLASSES[::-1]),
        reads(LISTS_DIFFER),
    ),
    (
        "a list in another order beside the images",
        of_folders("{split}/images/{}.txt", "{split}/images/_darknet.labels", train=CLASSES, val=THREE),
        reads(LISTS_DIFFER),
    ),
    (
        "a longer list of one folder",
        of_folders("{split}/labels/{}.txt", "{split}/classes.txt", train=CLASSES, val=(*CLASSES, "emu")),
        reads(),
    ),
    (
        "a list above and another beside the labels",
        lists(("labels/classes.txt", NAMES), ("classes.txt", OTHERS)),
        Refused(CONTRADICT, "'hen', 'owl'.*but in classes.txt .'owl', 'hen'"),
    ),
    (
        "a list that a tool proposes classes from",
        lists(("labels/classes.txt", NAMES), ("predefined_classes.txt", "owl\nman\nhen\n")),
        reads(LISTS_DIFFER, whole=True),
    ),
    (
        "a list left from something else",
        lists(("labels/classes.txt", NAMES), ("coco.names", "person\nbicycle\ncar\n")),
        reads(whole=True),
    ),
    (
        "two lists of which nothing tells the right one",
        lists(("obj.names", NAMES), ("coco.names", "person\nbicycle\n")),
        Refused(CONTRADICT, "but in obj.names"),
    ),
    ("numbers before the names", lists(("classes.txt", "0 hen\n1: owl\n")), reads(whole=True)),
    ("numbers in another order", lists(("classes.txt", "1 owl\n0 hen\n")), reads(whole=True)),
    ("a remark above the names", lists(("classes.txt", f"# my classes\n{NAMES}#\n")), reads(whole=True)),
    (
        "settings that a list contradicts",
        then(write_yolo, lambda root: write(root / "labels/val/classes.txt", OTHERS)),
        Refused(CONTRADICT, "but in labels/val/classes.txt"),
    ),
    (
        "settings whose classes a list calls otherwise",
        then(write_yolo, lambda root: write(root / "classes.txt", "bird\nowl\n")),
        reads(LISTS_DIFFER),
    ),
    (
        "settings and lists that agree",
        then(write_yolo, lambda root: [write(root / f"labels/{name}", f"{NAMES}emu\n") for name in ("classes.txt",)]),
        reads(),
    ),
    (
        "settings beside others that are not read",
        then(write_yolo, lambda root: write(root / "other.yaml", "train: images/train\nnames: [bird, owl]\n")),
        reads(LISTS_DIFFER),
    ),
]
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
VOC += [
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
CVAT += [
    (
        "an old export beside the new one",
        then(
            cvat_set(),
            lambda root: write(root / "old.xml", cvat(cvat_image("p", 0, shapes=cvat_box("hen", (1, 2, 9, 9))))),
        ),
        Refused("duplicate-annotations", "images/p.jpg, as is annotations.xml"),
    ),
]
SETS = {
    "labelme": LABELME,
    "via": VIA,
    "yolo": YOLO,
    "coco": COCO,
    "csv": CSV,
    "imagefolder": IMAGEFOLDER,
    "voc": VOC,
    "cvat": CVAT,
}
