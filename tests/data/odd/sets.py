"""A data set of four images in every layout, and what may be odd about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

WIDTH, HEIGHT = 120, 90
CLASSES = ("hen", "owl")
Box = tuple[float, float, float, float]
Objects = list[tuple[str, Box]]
TRUTH: dict[str, Objects] = {
    "p": [("hen", (12, 9, 48, 45)), ("owl", (60, 30, 108, 72))],
    "q": [("hen", (6, 18, 54, 63)), ("owl", (66, 9, 114, 54))],
    "r": [("hen", (24, 27, 72, 81)), ("owl", (78, 18, 102, 36))],
    "s": [("hen", (18, 9, 54, 54)), ("owl", (60, 27, 114, 81))],
}
SPLITS = {"train": ("p", "q", "r"), "val": ("s",)}
ALL = ("p", "q", "r", "s")

Line = Callable[[str, Box], str]
Make = Callable[[Path], object]


@dataclass(frozen=True)
class Reads:
    """The set loads, with the true boxes but for those of `objects`, and with problems of exactly these kinds."""

    kinds: tuple[str, ...] = ()
    objects: dict[str, Objects | None] | None = None
    crowds: int = 0
    whole: bool = False
    """All images are one split, which is divided at random."""


@dataclass(frozen=True)
class Refused:
    """The set is refused, for a reason of this kind, in these words."""

    kind: str
    words: str = ""


Odd = tuple[str, Make, "Reads | Refused"]
"""Description, maker and outcome of an odd set."""


def reads(*kinds: str, **what: Any) -> Reads:
    return Reads(kinds, **what)


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@cache
def _picture(shade: int, kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (shade, 90, 200 - shade)).save(file, kind)
    return file.getvalue()


def picture(path: Path, stem: str | None = None) -> None:
    kinds = {".png": "PNG", ".bmp": "BMP", ".webp": "WEBP", ".tif": "TIFF"}
    write(path, _picture(ord((stem or path.stem)[0]) % 100, kinds.get(path.suffix.lower(), "JPEG")))


def coco(stems: tuple[str, ...], first: int = 1, name: str = "{}.jpg") -> dict[str, Any]:
    images, annotations = [], []
    for number, stem in enumerate(stems, first):
        images.append({"id": number, "file_name": name.format(stem), "width": WIDTH, "height": HEIGHT})
        for label, (x1, y1, x2, y2) in TRUTH[stem]:
            annotations.append(
                {
                    "id": first * 10 + len(annotations),
                    "image_id": number,
                    "category_id": CLASSES.index(label) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(
    root: Path,
    change: Callable[[dict[str, Any]], object] | None = None,
    file: str = "annotations/instances_{}.json",
    images: str = "{}",
    name: str = "{}.jpg",
    splits: dict[str, tuple[str, ...]] | None = None,
    stored: str = "{}.jpg",
) -> None:
    """A set in COCO's layout; `change` spoils what a file says."""
    for number, (split, stems) in enumerate((splits or SPLITS).items()):
        content = coco(stems, 1 + 100 * number, name)
        if change is not None:
            change(content)
        write(root / file.format(split), json.dumps(content))
        for stem in stems:
            picture(root / images.format(split) / stored.format(stem), stem)


def of_all(key: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    """Other values of every entry under a key; a function is given the entry."""

    def change(content: dict[str, Any]) -> None:
        for entry in content[key]:
            for name, value in values.items():
                entry[name] = value(entry) if callable(value) else value

    return change


def of_first(key: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        of_all("entries", **values)({"entries": content[key][:1]})

    return change


def xml(stem: str, objects: str | None = None, name: str | None = None, size: Any = (WIDTH, HEIGHT)) -> str:
    objects = "".join(xml_object(label, box) for label, box in TRUTH[stem]) if objects is None else objects
    sides = "" if size is None else f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation><filename>{name or f'{stem}.jpg'}</filename>{sides}{objects}</annotation>"


def xml_object(label: str, box: Any, difficult: int = 0) -> str:
    corners = "".join(
        f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True) if v is not None
    )
    return f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox>{corners}</bndbox></object>"


def write_voc(
    root: Path,
    content: Callable[[str], str] = xml,
    lists: str | None = "ImageSets/Main/{}.txt",
    xmls: str = "Annotations/{}.xml",
    images: str = "JPEGImages/{}.jpg",
    line: str = "{}\n",
) -> None:
    for split, stems in SPLITS.items():
        for stem in stems:
            write(root / xmls.format(stem, split=split), content(stem))
            picture(root / images.format(stem, split=split), stem)
        if lists is not None:
            write(root / lists.format(split), "".join(line.format(stem) for stem in stems))


def fractions(box: Box) -> list[float]:
    x1, y1, x2, y2 = box
    return [(x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT]


def text(*numbers: Any) -> str:
    return " ".join(f"{number:.7g}" if isinstance(number, float) else str(number) for number in numbers)


def plain(label: str, box: Box) -> str:
    return text(CLASSES.index(label), *fractions(box))


def labels(stem: str, line: Line = plain) -> str:
    return "".join(f"{line(label, box)}\n" for label, box in TRUTH[stem])


YAML = "train: images/train\nval: images/val\nnames: [hen, owl]\n"


def write_yolo(
    root: Path,
    settings: str | bytes | None = YAML,
    line: Line = plain,
    only: tuple[str, ...] = ALL,
    images: str = "images/{split}/{}.jpg",
    places: str = "labels/{split}/{}.txt",
    file: str = "data.yaml",
) -> None:
    """A set in YOLO's layout; lines of the images of `only` are written by `line`."""
    for split, stems in SPLITS.items():
        for stem in stems:
            picture(root / images.format(stem, split=split), stem)
            write(root / places.format(stem, split=split), labels(stem, line if stem in only else plain))
    if settings is not None:
        write(root / file, settings)
