"""Lists of class names that differ from folder to folder, or from settings, and how they are written."""

from __future__ import annotations

from pathlib import Path

from tests.data.odd.names import then
from tests.data.odd.sets import (
    CLASSES,
    SPLITS,
    TRUTH,
    Make,
    Odd,
    Refused,
    fractions,
    picture,
    reads,
    text,
    write,
    write_yolo,
)

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


def lists(*files: tuple[str, str]) -> Make:
    """YOLO in images/ and labels/ with lists of classes."""

    def make(root: Path) -> None:
        write_yolo(root, None, images="images/{}.jpg", places="labels/{}.txt")
        for place, content in files:
            write(root / place, content)

    return make


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
        then(write_yolo, lambda root: write(root / "labels/classes.txt", f"{NAMES}emu\n")),
        reads(),
    ),
    (
        "settings beside others that are not read",
        then(write_yolo, lambda root: write(root / "other.yaml", "train: images/train\nnames: [bird, owl]\n")),
        reads(LISTS_DIFFER),
    ),
]
SETS = {"yolo": YOLO}
