"""Folders of free names below those of a split, of images or of annotations."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.odd.converted import cvat, cvat_image, labelme_set
from tests.data.odd.metadata import columns
from tests.data.odd.names import moved, then
from tests.data.odd.sets import ALL, Make, Odd, coco, picture, reads, write, write_coco, write_voc, xml
from tests.data.odd.tables import HEADER, lines, tables

UNREAD, LEFT_OUT = "unread-files", "unlisted-annotations"


def day(file: str, image: str, folder: str = "day 2") -> Make:
    """One image and its file moved into a folder below."""

    def change(root: Path) -> None:
        for name in (file, image):
            path = Path(name)
            moved(name, str(path.parent / folder / path.name))(root)

    return change


def voc(xmls: str, images: str, lists: str | None = None, line: str = "{}\n") -> Make:
    return lambda root: write_voc(root, lists=lists, xmls=xmls, images=images, line=line)


BESIDE = voc("{split}/{}.xml", "{split}/{}.jpg")
VOC: list[Odd] = [
    ("one image of a split in a folder below", then(BESIDE, day("train/q.xml", "train/q.jpg")), reads()),
    ("a folder below that a split's name is in", then(BESIDE, day("train/q.xml", "train/q.jpg", "test day")), reads()),
    (
        "folders below of images and of XML",
        then(
            voc("{split}/annotations/{}.xml", "{split}/images/{}.jpg"),
            day("train/annotations/q.xml", "train/images/q.jpg"),
            lambda root: picture(root / "train/masks/q.png", "z"),
        ),
        reads(),
    ),
    (
        "some in a folder below, without splits",
        then(voc("Annotations/{}.xml", "JPEGImages/{}.jpg"), day("Annotations/q.xml", "JPEGImages/q.jpg")),
        reads(whole=True),
    ),
    (
        "images alone in a folder below",
        then(voc("Annotations/{}.xml", "JPEGImages/{}.jpg"), moved("JPEGImages/q.jpg", "JPEGImages/day 2/q.jpg")),
        reads(whole=True),
    ),
    *(
        (f"all in folders below: {xmls}, {images}", voc(xmls, images), reads(whole=True))
        for xmls, images in (
            ("Annotations/day1/{}.xml", "JPEGImages/day1/{}.jpg"),
            ("annotations/set1/{}.xml", "images/set1/{}.jpg"),
            ("annotations/set1/{}.xml", "images/set1/nested/{}.jpg"),
        )
    ),
    *(
        (f"splits below: {xmls}, {images}", voc(xmls, images), reads())
        for xmls, images in (
            ("Annotations/DET/{split}/{}.xml", "Data/DET/{split}/{}.jpg"),
            ("{split} Set/{}.xml", "{split} Set/{}.jpg"),
        )
    ),
    (
        "lists that name the folders",
        voc("Annotations/day1/{}.xml", "JPEGImages/day1/{}.jpg", "ImageSets/Main/{}.txt", "day1/{}\n"),
        reads(),
    ),
    (
        "one folder for each class",
        then(
            voc("annotations/one/{}.xml", "images/one/{}.jpg"),
            moved("annotations/one/p.xml", "annotations/two/p.xml"),
            moved("images/one/p.jpg", "images/two/p.jpg"),
        ),
        reads(whole=True),
    ),
    (
        "old files in a folder below",
        then(
            BESIDE,
            lambda root: [
                write(root / "train/old/p.xml", xml("q", name="p.jpg")),
                write(root / "train/old/gone.xml", xml("q", name="x.jpg")),
            ],
        ),
        reads(LEFT_OUT),
    ),
]
LABELME: list[Odd] = [
    ("one image of a split in a folder below", then(labelme_set(), day("train/q.json", "train/q.jpg")), reads()),
    (
        "all in folders below",
        labelme_set("annotations/day 1/{}.json", "images/day 1/{}.jpg"),
        reads(whole=True),
    ),
    (
        "old files in a folder below",
        then(
            labelme_set(),
            lambda root: write(
                root / "train/old/p.json", (root / "train/q.json").read_text().replace("q.jpg", "p.jpg")
            ),
            lambda root: write(
                root / "train/old/x.json", (root / "train/q.json").read_text().replace("q.jpg", "x.jpg")
            ),
        ),
        reads(LEFT_OUT),
    ),
]
CVAT: list[Odd] = [
    (
        "a task in a folder below",
        lambda root: [
            write(root / "annotations.xml", cvat("".join(map(cvat_image, ALL[:2], (0, 1))))),
            write(root / "images/day 2/annotations.xml", cvat("".join(map(cvat_image, ALL[2:], (0, 1))))),
            *(picture(root / ("images" if stem in ALL[:2] else "images/day 2") / f"{stem}.jpg") for stem in ALL),
        ],
        reads(whole=True),
    ),
]
FURTHER = "train/day 2/_annotations.coco.json"
COCO: list[Odd] = [
    (
        "a further list in a folder below",
        then(
            lambda root: write_coco(root, None, "{}/_annotations.coco.json"),
            lambda root: write(root / FURTHER, json.dumps(coco(("p",)))),
        ),
        reads(UNREAD),
    ),
    (
        "all in folders below",
        lambda root: write_coco(root, None, "annotations/v2/{}.json", "images/v2/{}"),
        reads(),
    ),
]
CSV: list[Odd] = [
    (
        "a further table in a folder below",
        then(
            tables("{}/_annotations.csv", "{split}/{}.jpg"),
            lambda root: write(root / "train/day 2/labels.csv", HEADER + lines(("p",))),
        ),
        reads(UNREAD),
    ),
]


def metadata(root: Path, place: str, *stems: str) -> None:
    entries = [json.dumps({"file_name": f"{stem}.jpg", "objects": columns(stem)}) for stem in stems]
    write(root / place / "metadata.jsonl", "\n".join(entries))
    for stem in stems:
        picture(root / place / f"{stem}.jpg")


IMAGEFOLDER: list[Odd] = [
    (
        "a further file in a folder below",
        lambda root: [
            metadata(root, place, *stems) for place, stems in (("train", "pq"), ("val", "s"), ("train/day 2", "r"))
        ],
        reads(UNREAD, objects={"r": None}),
    ),
]
SETS = {"voc": VOC, "labelme": LABELME, "cvat": CVAT, "coco": COCO, "csv": CSV, "imagefolder": IMAGEFOLDER}
