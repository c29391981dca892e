"""Image folders of Hugging Face: `metadata.jsonl` among the images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.data.odd.sets import CLASSES, SPLITS, TRUTH, Make, Odd, Refused, picture, reads, write


def columns(stem: str) -> dict[str, Any]:
    boxes = [[x1, y1, x2 - x1, y2 - y1] for _, (x1, y1, x2, y2) in TRUTH[stem]]
    return {"bbox": boxes, "categories": [label for label, _ in TRUTH[stem]]}


def in_rows(stem: str) -> list[dict[str, Any]]:
    of = columns(stem)
    pairs = zip(of["bbox"], of["categories"], strict=True)
    return [{"id": 7, "bbox": box, "category": label, "iscrowd": 0} for box, label in pairs]


def numbers(stem: str) -> dict[str, Any]:
    return columns(stem) | {"categories": [CLASSES.index(label) for label, _ in TRUTH[stem]]}


def image_folder(
    objects: Callable[[str], Any] = columns, change: Callable[[str], str] = str, images: str = "{}.jpg", **more: object
) -> Make:
    def make(root: Path) -> None:
        for split, stems in SPLITS.items():
            lines = [{"file_name": images.format(stem), "objects": objects(stem), **more} for stem in stems]
            write(root / split / "metadata.jsonl", change("".join(json.dumps(line) + "\n" for line in lines)))
            for stem in stems:
                picture(root / split / images.format(stem), stem)

    return make


def spoiled(stem: str, **changes: object) -> Callable[[str], Any]:
    """The objects of all images, those of one image with other columns."""
    return lambda each: columns(each) | (changes if each == stem else {})


MALFORMED = "malformed-annotations"
METADATA: list[Odd] = [
    ("lists in an object", image_folder(), reads()),
    ("a list of objects", image_folder(in_rows), reads()),
    ("images in a folder of their own", image_folder(images="images/{}.jpg"), reads()),
    ("empty lines and Windows' ends", image_folder(change=lambda text: text.replace("\n", "\r\n\r\n")), reads()),
    ("no objects", image_folder(lambda stem: [] if stem == "q" else in_rows(stem)), reads(objects={"q": []})),
    ("crowds", image_folder(spoiled("p", iscrowd=[0, 1])), reads(objects={"p": TRUTH["p"][:1]}, crowds=1)),
    (
        "two lines of one image",
        image_folder(change=lambda text: text + text[: text.find("\n")]),
        reads("repeated-image", "duplicate-object"),
    ),
    (
        "numbers as text",
        image_folder(spoiled("p", bbox=[["12", 9, 36, 36], [60, 30, 48, 42]])),
        reads("box-in-other-form"),
    ),
    (
        "an image all of whose boxes are lost",
        image_folder(spoiled("p", bbox=[None, "5 5 9 9"])),
        reads("box-missing", "box-not-numbers", "image-left-out", objects={"p": None}),
    ),
    (
        "NaN for a number",
        image_folder(spoiled("p", bbox=[[float("nan"), 9, 36, 36], [60, 30, 48, 42]])),
        reads("box-not-finite", objects={"p": TRUTH["p"][1:]}, crowds=1),
    ),
    (
        "corners",
        image_folder(lambda stem: columns(stem) | {"bbox": [box for _, box in TRUTH[stem]]}),
        Refused("boxes-look-like-corners", "line 1"),
    ),
    ("fewer categories than boxes", image_folder(spoiled("p", categories=["hen"])), Refused(MALFORMED, "line 1")),
    ("categories without a name", image_folder(spoiled("p", categories=["hen", " "])), Refused(MALFORMED, "' '")),
    (
        "no categories",
        image_folder(lambda stem: {"bbox": columns(stem)["bbox"]}),
        Refused(MALFORMED, "a bbox and a category"),
    ),
    (
        "an image without a record of objects",
        image_folder(lambda stem: None if stem == "q" else columns(stem)),
        Refused(MALFORMED, "line 2"),
    ),
    ("a line cut short", image_folder(change=lambda text: text[:-20]), Refused(MALFORMED, "is not JSON")),
    (
        "an image that leads out",
        image_folder(change=lambda text: text.replace("p.jpg", "../../z.jpg")),
        Refused("path-outside"),
    ),
    ("captions", image_folder(change=lambda text: text.replace("objects", "text")), Refused("unusable-folder")),
]
SETS = {"imagefolder": METADATA}
