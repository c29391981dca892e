"""Folders: where tools that export COCO, VOC and YOLO put their files, and splits that nobody reads."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.odd.names import NAME, moved, then
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
    write_coco,
    write_voc,
    write_yolo,
)  # fmt: skip

DEV = {"train": SPLITS["train"], "dev": SPLITS["val"]}
DEV_IS_VAL = "split-by-other-name"
ABSENT = json.dumps(coco(("p",), name="gone-{}.jpg"))
NAMES = "hen\nowl\n"
VALID = {"train": "train", "val": "valid"}
COCO: list[Odd] = [
    *(
        (f"{file}, {images}", lambda root, file=file, images=images: write_coco(root, None, file, images), reads())
        for file, images in (
            ("annotations/instances_{}2017.json", "{}2017"),
            ("annotations/{}.json", "images/{}"),
            ("{}.json", "{}"),
            ("annotations/{}_annotations.json", "{}"),
            ("annotations/annotations_{}.json", "images"),
            ("{}/annotations.json", "{}"),
            ("{}/labels.json", "{}/data"),
            ("{}/_annotations.coco.json", "{}"),
            ("Annotations/{}.json", "Images/{}"),
            ("labels/{}_coco.json", "{}/images"),
            ("{}.json", "."),
        )
    ),
    *(
        (
            f"result.json, {name}",
            lambda root, name=name: write_coco(root, None, "result.json", "images", name, {"all": ALL}),
            reads(*kinds, whole=True),
        )
        for name, kinds in (("images/{}.jpg", ()), ("images\\{}.jpg", (NAME,)), ("..\\..\\media\\3\\{}.jpg", (NAME,)))
    ),
    (
        "one file beside the images",
        lambda root: write_coco(root, None, "_annotations.coco.json", ".", splits={"x": ALL}),
        reads(whole=True),
    ),
    (
        "two files of one split",
        then(
            write_coco,
            moved("annotations", "notes"),
            lambda root: [
                write(root / name, (root / "notes/instances_train.json").read_text())
                for name in ("train.json", "train_2.json")
            ],
        ),
        Refused("duplicate-split", "train.json, train_2.json"),
    ),
    (
        "a file for testing of which no image is there",
        then(write_coco, lambda root: write(root / "annotations/instances_test.json", ABSENT)),
        reads("absent-split"),
    ),
    (
        "a folder called dev",
        lambda root: write_coco(root, None, "{}/_annotations.coco.json", splits=DEV),
        reads(DEV_IS_VAL),
    ),
    (
        "a file that is not COCO's",
        lambda root: write(root / "data.json", "{}"),
        Refused("unusable-folder", "1 JSON files in ./.*looked for coco: "),
    ),
    (
        "a split of another name",
        lambda root: write_coco(
            root,
            None,
            "{}/_annotations.coco.json",
            splits={"train": SPLITS["train"], "valid": SPLITS["val"], "holdout": ()},
        ),
        reads("no-boxes"),
    ),
]


def by_split(xmls: str, images: str) -> Make:
    return lambda root: write_voc(root, lists=None, xmls=xmls, images=images)


VOC: list[Odd] = [
    ("lists in folders of another case", lambda root: write_voc(root, lists="Imagesets/main/{}.txt"), reads()),
    *(
        (f"{xmls}, {images}", by_split(xmls, images), reads())
        for xmls, images in (
            ("{split}/{}.xml", "{split}/{}.jpg"),
            ("{split}/Annotations/{}.xml", "{split}/JPEGImages/{}.jpg"),
            ("annotations/{split}/{}.xml", "images/{split}/{}.jpg"),
            ("{split}/labels/{}.xml", "{split}/images/{}.jpg"),
        )
    ),
    *(
        (f"{xmls}, {images}", by_split(xmls, images), reads(whole=True))
        for xmls, images in (
            ("{}.xml", "{}.jpg"),
            ("annotations/{}.xml", "images/{}.jpg"),
            ("Annotations/{}.xml", "images/{}.jpg"),
            ("annotations/{}.xml", "JPEGImages/{}.jpg"),
            ("annotations/xmls/{}.xml", "images/{}.jpg"),
            ("images/{}.xml", "images/{}.jpg"),
        )
    ),
    *(
        (f"lists as {lists}", lambda root, lists=lists: write_voc(root, lists=lists), reads())
        for lists in ("ImageSets/{}.txt", "ImageSets/Main/{}.txt", "splits/{}.txt")
    ),
    (
        "lists of names that nobody knows",
        lambda root: write_voc(root, lists="ImageSets/Main/part_{}_1.txt"),
        reads("unread-files", whole=True),
    ),
    ("lists that nobody reads", lambda root: write_voc(root, lists="lists/{}.txt"), reads("unread-files", whole=True)),
    (
        "a list for testing of which nothing is there",
        then(write_voc, lambda root: write(root / "ImageSets/Main/test.txt", "x\ny\n")),
        reads("absent-split"),
    ),
    (
        "an image listed twice",
        then(write_voc, lambda root: write(root / "ImageSets/Main/train.txt", "p\nq\nr\np\n")),
        reads("repeated-image"),
    ),
    ("two levels deep", lambda root: write_voc(root / "VOCdevkit/VOC2007"), reads()),
]


def darknet(prefix: str = "data/", splits: bool = True, settings: str | None = None) -> Make:
    """As CVAT exports it: obj.data, obj.names, lists, and a folder of images and labels for each split."""

    def make(root: Path) -> None:
        write(root / "obj.names", NAMES)
        write(
            root / "obj.data", "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
        )
        parts = {"train": SPLITS["train"], "valid": SPLITS["val"]} if splits else {"train": ALL}
        for split, stems in parts.items():
            write(root / f"{split}.txt", "".join(f"{prefix}obj_{split}_data/{stem}.jpg\n" for stem in stems))
            for stem in stems:
                picture(root / f"obj_{split}_data" / f"{stem}.jpg")
                write(root / f"obj_{split}_data" / f"{stem}.txt", labels(stem))
        if settings is not None:
            write(root / "data.yaml", settings)

    return make


def bare(images: str, places: str, classes: str) -> Make:
    return then(
        lambda root: write_yolo(root, None, images=images, places=places), lambda root: write(root / classes, NAMES)
    )


def patterns(root: Path, pattern: str) -> None:
    """Settings whose places stand for what is in the folders of cameras."""
    places = "".join(f"{split}: {pattern.format(split)}\n" for split in SPLITS)
    write_yolo(
        root,
        f"{places}names: [hen, owl]\n",
        images="images/{split}/cam1/{}.jpg",
        places="labels/{split}/cam1/{}.txt",
    )


YOLO: list[Odd] = [
    *(
        (f"patterns: {pattern}", lambda root, pattern=pattern: patterns(root, pattern), reads())
        for pattern in ("images/{}/*/*.jpg", "images/{}/cam*", "../images/{}/**/*.jpg", "./images/{}/cam?/")
    ),
    (
        "a pattern that nothing fits",
        lambda root: write_yolo(root, "train: images/*.gif\nval: images/val\nnames: [hen, owl]\n"),
        Refused("malformed-annotations", "'images/\\*.gif'"),
    ),
    (
        "blanks behind names of labels",
        lambda root: write_yolo(root, places="labels/{split}/{} .txt"),
        reads(NAME),
    ),
    ("Darknet", darknet(), reads(NAME)),
    ("Darknet without a split for validation", darknet(splits=False), reads(NAME, "absent-split", whole=True)),
    (
        "Darknet with settings beside it",
        darknet(settings="train: train.txt\nval: valid.txt\nnames: [hen, owl]\n"),
        reads(NAME),
    ),
    ("Darknet in a folder called data", lambda root: darknet()(root / "data"), reads()),
    *(
        (f"{images}, {places}, {classes}", bare(images, places, classes), reads(whole=True))
        for images, places, classes in (
            ("images/{}.jpg", "labels/{}.txt", "classes.txt"),
            ("{}.jpg", "{}.txt", "classes.txt"),
            ("images/{}.jpg", "labels/{}.txt", "labels/classes.txt"),
            ("images/{}.jpg", "labels/{}.txt", "obj.names"),
            ("images/{}.jpg", "images/{}.txt", "images/classes.txt"),
        )
    ),
    *(
        (f"{images}, {places}, {classes}", bare(images, places, classes), reads())
        for images, places, classes in (
            ("images/{split}/{}.jpg", "labels/{split}/{}.txt", "classes.txt"),
            ("{split}/images/{}.jpg", "{split}/labels/{}.txt", "classes.txt"),
            ("{split}/{}.jpg", "{split}/{}.txt", "train/_darknet.labels"),
            ("{split}/{}.jpg", "{split}/{}.txt", "voc.names"),
        )
    ),
    *(
        (f"settings {name}", lambda root, name=name: write_yolo(root, file=name), reads())
        for name in ("data.yml", "dataset.yml", "birds.yaml", "Data.YAML")
    ),
    (
        "settings beside the folder",
        lambda root: (write_yolo(root / "birds", None), write(root / "birds.yaml", f"path: birds\n{YAML}")),
        reads(),
    ),
    (
        "two files of settings",
        then(lambda root: write_yolo(root, file="a.yaml"), lambda root: write(root / "b.yaml", YAML)),
        Refused("malformed-annotations", "expected one settings file, but got a.yaml, b.yaml"),
    ),
    (
        "no class names",
        lambda root: write_yolo(root, YAML.replace("names: [hen, owl]", "nc: 2")),
        Refused("malformed-annotations", "'names', but got no such key .there are nc, train, val"),
    ),
]
SETS = {"coco": COCO, "voc": VOC, "yolo": YOLO}
