"""Annotations, settings or images in a folder of a free name beside the rest of the data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.data.odd.converted import cvat, cvat_image, labelme, via
from tests.data.odd.names import NAME, then
from tests.data.odd.sets import (
    ALL,
    SPLITS,
    YAML,
    Make,
    Odd,
    Refused,
    coco,
    labels,
    picture,
    reads,
    write,
    write_voc,
    write_yolo,
    xml,
)  # fmt: skip
from tests.data.odd.tables import HEADER, lines

ELSEWHERE = "labels-elsewhere"
NAMES = "hen\nowl\n"


def pictures(place: str = "images") -> Make:
    return lambda root: [picture(root / place / f"{stem}.jpg") for stem in ALL]


def files(place: str, content: Callable[[str], str], stems: tuple[str, ...] = ALL) -> Make:
    return lambda root: [write(root / place.format(stem), content(stem)) for stem in stems]


def of_labelme(stem: str, name: str = "{}.jpg") -> str:
    return json.dumps(labelme(stem, name=name.format(stem)))


def other_objects(stem: str) -> str:
    return xml("p" if stem == "q" else "q", name=f"{stem}.jpg")


def settings(place: str, content: str = YAML) -> Make:
    return then(lambda root: write_yolo(root, None), lambda root: write(root / place, content))


VOC: list[Odd] = [
    ("marks/ beside images/", then(pictures(), files("my marks/{}.xml", xml)), reads(whole=True)),
    ("marks/ beside frames/", then(pictures("frames"), files("marks/{}.xml", xml)), reads(whole=True)),
    ("marks/ beside images of no folder", then(pictures("."), files("marks/{}.xml", xml)), reads(whole=True)),
    ("annotations/ beside frames/", then(pictures("frames"), files("annotations/{}.xml", xml)), reads(whole=True)),
    (
        "folders in marks/",
        then(pictures(), files("marks/1/{}.xml", xml, ("p", "q")), files("marks/2/{}.xml", xml, ("r", "s"))),
        reads(whole=True),
    ),
    (
        "marks/ by split",
        lambda root: write_voc(root, lists=None, xmls="marks/{split}/{}.xml", images="images/{split}/{}.jpg"),
        reads(),
    ),
    (
        "marks/ and what a detector found",
        then(pictures(), files("marks/{}.xml", xml), files("predictions/{}.xml", lambda stem: xml(stem, ""))),
        reads(whole=True),
    ),
    (
        "a folder of annotations and another with other objects",
        then(pictures(), files("ann/{}.xml", xml), files("bob/{}.xml", other_objects)),
        reads("unlisted-annotations", whole=True),
    ),
    (
        "two folders with other objects, of free names both",
        then(pictures(), files("by ann/{}.xml", xml), files("by bob/{}.xml", other_objects)),
        Refused("duplicate-annotations"),
    ),
    (
        "a second folder of further images",
        then(pictures(), files("annotations/{}.xml", xml, ("p", "q")), files("late/{}.xml", xml, ("r", "s"))),
        reads(ELSEWHERE, whole=True),
    ),
    (
        "a second folder of images that have annotations, or are not there",
        then(
            pictures(),
            files("annotations/{}.xml", xml),
            files("old/{}.xml", xml, ("p",)),
            lambda root: write(root / "old/x.xml", xml("p", name="x.jpg")),
        ),
        reads("unlisted-annotations", whole=True),
    ),
    (
        "a folder of another set",
        then(pictures(), files("annotations/{}.xml", xml), files("other/{}.xml", xml, ("p",)), pictures("other")),
        reads("unread-files", "unread-annotations", whole=True),
    ),
]
LABELME: list[Odd] = [
    ("marks/ beside images/", then(pictures(), files("marks/{}.json", of_labelme)), reads(whole=True)),
    (
        "marks/ beside images of no folder",
        then(pictures("."), files("marks/{}.json", lambda stem: of_labelme(stem, "..\\{}.jpg"))),
        reads(NAME, whole=True),
    ),
    (
        "a second folder of further images",
        then(
            pictures(), files("images/{}.json", of_labelme, ("p", "q")), files("late/{}.json", of_labelme, ("r", "s"))
        ),
        reads(ELSEWHERE, whole=True),
    ),
]
COCO: list[Odd] = [
    (
        "marks/ beside images/",
        then(pictures(), lambda root: write(root / "marks/all.json", json.dumps(coco(ALL)))),
        reads(whole=True),
    ),
]
CSV: list[Odd] = [
    (
        "tables/ beside images/",
        then(pictures(), lambda root: write(root / "tables/a.csv", HEADER + lines(ALL))),
        reads(whole=True),
    ),
]
CVAT: list[Odd] = [
    (
        "task 1/ beside images/",
        then(
            pictures(),
            lambda root: write(
                root / "task 1/annotations.xml", cvat("".join(cvat_image(stem, at) for at, stem in enumerate(ALL)))
            ),
        ),
        reads(whole=True),
    ),
]
VIA: list[Odd] = [
    (
        "marks/ beside images/",
        then(pictures(), lambda root: write(root / "marks/a.json", json.dumps(via(ALL)))),
        reads(whole=True),
    ),
]


def two_cameras(root: Path) -> None:
    for split, stems in SPLITS.items():
        for stem in stems:
            picture(root / f"camera {split[0]}/{stem}.jpg")
            write(root / f"camera {split[0]}/{stem}.txt", labels(stem))
    write(root / "classes.txt", NAMES)


LISTS = "path: ..\ntrain: lists/train.txt\nval: lists/val.txt\nnames: ../classes.txt\n"
YOLO: list[Odd] = [
    *(
        (f"settings in {place}", settings(place, content), reads())
        for place, content in (
            ("config/data.yaml", YAML),
            ("config/birds.yaml", f"path: .\n{YAML}"),
            ("config/data.yaml", f"path: ..\n{YAML}"),
            ("data/data.yaml", YAML.replace("images", "../images")),
            ("yolo/data.yaml", f"path: /home/somebody/birds\n{YAML}"),
        )
    ),
    (
        "settings, lists and class names in folders of their own",
        then(
            settings("config/data.yaml", LISTS),
            lambda root: [
                write(root / f"lists/{split}.txt", "".join(f"images/{split}/{stem}.jpg\n" for stem in stems))
                for split, stems in SPLITS.items()
            ],
            lambda root: write(root / "classes.txt", NAMES),
        ),
        reads(),
    ),
    (
        "settings in config/ that a list contradicts",
        then(settings("config/data.yaml"), lambda root: write(root / "classes.txt", "owl\nhen\n")),
        Refused("class-lists-contradict", "but in classes.txt"),
    ),
    (
        "settings, and others in config/ that contradict them",
        then(write_yolo, lambda root: write(root / "config/data.yaml", YAML.replace("hen, owl", "owl, hen"))),
        reads("class-lists-differ"),
    ),
    (
        "settings in config/ of another set",
        then(
            lambda root: write_yolo(root, None),
            lambda root: write(root / "classes.txt", NAMES),
            lambda root: write(root / "config/coco.yaml", "train: coco/train\nval: coco/val\nnames: [person, car]\n"),
        ),
        reads(),
    ),
    (
        "two settings in config/",
        then(settings("config/a.yaml"), lambda root: write(root / "config/b.yaml", YAML)),
        Refused("malformed-annotations", "expected one settings file, but got a.yaml, b.yaml"),
    ),
    (
        "settings that name a file of class names",
        then(
            lambda root: write_yolo(root, YAML.replace("[hen, owl]", "classes.txt")),
            lambda root: write(root / "classes.txt", NAMES),
        ),
        reads(),
    ),
    ("folders of cameras", two_cameras, reads(whole=True)),
    (
        "an export without images beside them",
        then(pictures(), files("export/{}.txt", labels), lambda root: write(root / "export/classes.txt", NAMES)),
        reads(ELSEWHERE, whole=True),
    ),
]
SETS = {"voc": VOC, "labelme": LABELME, "coco": COCO, "csv": CSV, "cvat": CVAT, "via": VIA, "yolo": YOLO}
