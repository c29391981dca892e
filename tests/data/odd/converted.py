"""Sets as CVAT, labelme and the VGG Image Annotator write them, read through a converter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.data.odd.names import NAME
from tests.data.odd.sets import ALL, HEIGHT, SPLITS, TRUTH, WIDTH, Box, Make, Odd, Refused, picture, reads, write


def cvat_box(label: str, box: Box, more: str = "") -> str:
    corners = " ".join(f'{key}="{value:.2f}"' for key, value in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True))
    return f'<box label="{label}" source="manual" occluded="0" {corners} z_order="0"{more}></box>'


def cvat_image(stem: str, number: int, subset: str = "", shapes: str | None = None) -> str:
    shapes = "".join(cvat_box(label, box) for label, box in TRUTH[stem]) if shapes is None else shapes
    stated = f' subset="{subset}"' if subset else ""
    return f'<image id="{number}" name="{stem}.jpg"{stated} width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'


def cvat(images: str, meta: str = "<meta><task><name>birds</name></task></meta>", before: str = "") -> str:
    version = '<?xml version="1.0" encoding="utf-8"?>\n'
    return f"{version}{before}<annotations>\n  <version>1.1</version>\n  {meta}\n  {images}\n</annotations>"


def cvat_set(subsets: bool = False, change: Callable[[str], str] = str) -> Make:
    subset = {stem: split.title() for split, stems in SPLITS.items() for stem in stems} if subsets else {}

    def make(root: Path) -> None:
        images = "".join(cvat_image(stem, number, subset.get(stem, "")) for number, stem in enumerate(ALL))
        write(root / "annotations.xml", change(cvat(images)))
        for stem in ALL:
            picture(root / "images" / f"{stem}.jpg")

    return make


def labelme(stem: str, name: str = "{}.jpg", kind: str = "rectangle") -> dict[str, Any]:
    shapes = [
        {"label": label, "points": points(box, kind), "group_id": None, "shape_type": kind, "flags": {}}
        for label, box in TRUTH[stem]
    ]
    about = {"imagePath": name.format(stem), "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    return {"version": "5.4.1", "flags": {}, "shapes": shapes, **about}


def points(box: Box, kind: str) -> list[list[float]]:
    x1, y1, x2, y2 = box
    return [[x1, y1], [x2, y2]] if kind == "rectangle" else [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]


def labelme_set(
    files: str = "{split}/{}.json", images: str = "{split}/{}.jpg", change: Callable[[str], object] = str, **how: Any
) -> Make:
    def make(root: Path) -> None:
        for split, stems in SPLITS.items():
            for stem in stems:
                content = json.dumps(labelme(stem, **how))
                write(root / files.format(stem, split=split), change(content) if stem == "p" else content)  # type: ignore[arg-type]
                picture(root / images.format(stem, split=split), stem)

    return make


def via(stems: tuple[str, ...], key: str = "class") -> dict[str, Any]:
    def region(label: str, box: Box) -> dict[str, Any]:
        x1, y1, x2, y2 = box
        shape = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
        return {"shape_attributes": shape, "region_attributes": {key: label}}

    return {
        f"{stem}.jpg1": {
            "filename": f"{stem}.jpg",
            "size": 1,
            "regions": [region(label, box) for label, box in TRUTH[stem]],
            "file_attributes": {},
        }
        for stem in stems
    }


def via_set(change: Callable[[dict[str, Any]], object] = dict, file: str = "via_region_data.json", **how: Any) -> Make:
    def make(root: Path) -> None:
        for split, stems in SPLITS.items():
            write(root / split / file, json.dumps(change(via(stems, **how))))
            for stem in stems:
                picture(root / split / f"{stem}.jpg", stem)

    return make


def of_regions(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def of_entries(entries: dict[str, Any]) -> dict[str, Any]:
        for entry in entries.values():
            for region in entry["regions"]:
                change(region)
        return entries

    return of_entries


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">]>'
POLYGON = '<polygon label="hen" occluded="0" points="1,1;5,1;5,5"></polygon>'
FIRST = cvat_box(*TRUTH["p"][0])
CVAT: list[Odd] = [
    ("one list", cvat_set(), reads(whole=True)),
    ("the subsets of a project", cvat_set(subsets=True), reads()),
    (
        "polygons too",
        cvat_set(change=lambda text: text.replace(FIRST, FIRST + POLYGON)),
        Refused("shapes-not-read", "1 of 9: 1 of 'polygon'"),
    ),
    (
        "a rotated box",
        cvat_set(change=lambda text: text.replace(FIRST, cvat_box(*TRUTH["p"][0], ' rotation="30.0"'))),
        Refused("shapes-not-read", "'rotated box'"),
    ),
    ("tags", cvat_set(change=lambda text: text.replace(FIRST, FIRST + '<tag label="x"></tag>')), reads(whole=True)),
    (
        "a video",
        cvat_set(change=lambda text: text.replace("</version>", '</version><track id="0"/>')),
        Refused("malformed-annotations", "tracks of a video"),
    ),
    (
        "no label",
        cvat_set(change=lambda text: text.replace('<box label="hen"', "<box")),
        Refused("malformed-annotations", "refused by globox: ParsingError"),
    ),
    (
        "entities",
        cvat_set(change=lambda text: text.replace("<annotations>", f"{BOMB}<annotations>")),
        Refused("malformed-annotations", "is not XML that can be read"),
    ),
    (
        "a name that leads out",
        cvat_set(change=lambda text: text.replace('"p.jpg"', '"../../p.png"')),
        Refused("path-outside", "leads out"),
    ),
    (
        "an image that is not there",
        cvat_set(change=lambda text: text.replace('"p.jpg"', '"gone.jpg"')),
        Refused("missing-image", "gone"),
    ),
]
LABELME: list[Odd] = [
    ("beside the images", labelme_set(), reads()),
    ("one folder", labelme_set("{}.json", "{}.jpg"), reads(whole=True)),
    ("polygons", labelme_set(kind="polygon"), reads()),
    (
        "a folder of its own",
        labelme_set("annotations/{}.json", "images/{}.jpg", name="../images/{}.jpg"),
        reads(whole=True),
    ),
    (
        "of Windows",
        labelme_set("annotations/{}.json", "images/{}.jpg", name="..\\images\\{}.jpg"),
        reads(NAME, whole=True),
    ),
    ("a byte order mark", labelme_set(change=lambda text: b"\xef\xbb\xbf" + text.encode()), reads()),
    (
        "a circle",
        labelme_set(change=lambda text: text.replace('"rectangle"', '"circle"', 1)),
        Refused("shapes-not-read", "1 of 2: 1 of 'circle'"),
    ),
    (
        "a point that is none",
        labelme_set(change=lambda text: text.replace("[12, 9]", "7")),
        Refused("malformed-annotations", "refused by globox: TypeError"),
    ),
    (
        "a label that is no text",
        labelme_set(change=lambda text: text.replace('"hen"', '""')),
        Refused("malformed-annotations", "the class of object 1"),
    ),
    ("a damaged file", labelme_set(change=lambda text: text[:20]), Refused("malformed-annotations", "is not JSON")),
    ("a name that leads out", labelme_set(name="/etc/{}.png"), Refused("path-outside", "leads out")),
]
VIA: list[Odd] = [
    ("a file in each folder", via_set(), reads()),
    (
        "a project",
        via_set(lambda entries: {"_via_settings": {}, "_via_img_metadata": entries}, "project.json"),
        reads(),
    ),
    ("an attribute of another name", via_set(key="bird"), reads()),
    ("several attributes", via_set(of_regions(lambda region: region["region_attributes"].update(age="3"))), reads()),
    (
        "numbered regions",
        via_set(
            lambda all_: {key: {**entry, "regions": dict(enumerate(entry["regions"]))} for key, entry in all_.items()}
        ),
        reads(),
    ),
    (
        "attributes that tell no class",
        via_set(of_regions(lambda region: region["region_attributes"].update(age="3")), key="bird"),
        Refused("malformed-annotations", "bird, age"),
    ),
    (
        "no attributes",
        via_set(of_regions(lambda region: region["region_attributes"].clear())),
        Refused("malformed-annotations", "nothing names their class"),
    ),
    (
        "circles",
        via_set(of_regions(lambda region: region["shape_attributes"].update(name="circle"))),
        Refused("shapes-not-read", "6 of 6: 6 of 'circle'"),
    ),
    (
        "a box that is text",
        via_set(of_regions(lambda region: region["shape_attributes"].update(x="a"))),
        Refused("malformed-annotations", "refused by globox: TypeError"),
    ),
]
SETS = {"cvat": CVAT, "labelme": LABELME, "via": VIA}
