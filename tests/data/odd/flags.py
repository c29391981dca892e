"""Ids of other types, crowds, difficult objects, masks that a tool marks as crowds."""

from __future__ import annotations

from typing import Any

from tests.data.odd.boxes import coco_set, in_turn, runs, voc
from tests.data.odd.converted import cvat_set, labelme_set
from tests.data.odd.sets import TRUTH, Odd, Refused, of_all, of_first, reads, write_coco, xml_object
from tests.data.odd.tables import keras, one


def one_class(**values: Any) -> Any:
    """Values of the second class alone."""

    def change(content: dict[str, Any]) -> None:
        of_all("entries", **values)({"entries": [e for e in content["annotations"] if e["category_id"] == 2]})

    return change


def ids(images: Any, annotations: Any, key: str = "image_id") -> Any:
    where = "images" if key == "image_id" else "categories"
    return coco_set(
        in_turn(
            of_all(where, id=lambda e: images(e["id"])), of_all("annotations", **{key: lambda e: annotations(e[key])})
        )
    )


def same(value: int) -> int:
    return value


def birds_first(content: dict[str, Any]) -> None:
    content["categories"].insert(0, {"id": 0, "name": "birds", "supercategory": "none"})


HENS = {stem: objects[:1] for stem, objects in TRUTH.items()}
CROWDS = "class-of-crowds"
NOTE = "ids-of-other-type"
COCO: list[Odd] = [
    ("names as image ids", ids("2007_{:06d}".format, "2007_{:06d}".format), reads()),
    ("padded numbers as image ids", ids("{:06d}".format, "{:06d}".format), reads()),
    ("text on both sides", ids(str, str), reads()),
    ("text on one side", ids(same, str), reads(NOTE)),
    ("text on the other side", ids(str, same), reads(NOTE)),
    ("fractions on one side", ids(same, float), reads(NOTE)),
    ("fractions on both sides", ids(float, float), reads()),
    ("fractions as category ids", ids(same, float, "category_id"), reads(NOTE)),
    ("text as category ids", ids(str, str, "category_id"), reads()),
    ("text as category ids on one side", ids(str, same, "category_id"), reads(NOTE)),
    (
        "ids that are equal as numbers only",
        coco_set(
            lambda content: content["images"].append({**content["images"][0], "id": str(content["images"][0]["id"])})
        ),
        reads("repeated-image"),
    ),
    ("names as annotation ids", coco_set(of_all("annotations", id=lambda e: f"uuid-{e['id']}")), reads()),
    (
        "every mask is a crowd",
        coco_set(of_all("annotations", iscrowd=1, segmentation=runs)),
        Refused("all-crowds", "all 6 objects of 'train'"),
    ),
    (
        "every mask of a class is a crowd",
        coco_set(one_class(iscrowd=1, segmentation=runs)),
        reads("class-of-crowds", objects=HENS, crowds=4),
    ),
    *(
        (
            f"iscrowd {value!r} of a class",
            coco_set(one_class(iscrowd=value)),
            reads("class-of-crowds", objects=HENS, crowds=4),
        )
        for value in (1.0, True, "1", "true")
    ),
    ("ignored objects of a class", coco_set(one_class(ignore=1)), reads("class-of-crowds", objects=HENS, crowds=4)),
    ("difficult objects of a class", coco_set(one_class(difficult=1)), reads(CROWDS, objects=HENS, crowds=4)),
    (
        "difficult objects of a class, as an attribute",
        coco_set(one_class(attributes={"difficult": True, "occluded": False})),
        reads(CROWDS, objects=HENS, crowds=4),
    ),
    *(
        (f"iscrowd {value!r}", coco_set(of_all("annotations", iscrowd=value)), reads())
        for value in (False, "0", None, 0.0)
    ),
    (
        "a crowd or two",
        coco_set(of_first("annotations", iscrowd=1)),
        reads(objects={"p": TRUTH["p"][1:], "s": TRUTH["s"][1:]}, crowds=2),
    ),
    (
        "no categories",
        coco_set(lambda content: content.update(categories=[])),
        Refused("malformed-annotations", "under the key 'categories', but got an empty list"),
    ),
    (
        "no key of categories",
        coco_set(lambda content: content.pop("categories")),
        Refused("malformed-annotations", "'categories', but got no such key .there are: annotations, images"),
    ),
    (
        "ids with gaps",
        coco_set(
            in_turn(
                of_all("categories", id=lambda e: e["id"] * 40),
                of_all("annotations", category_id=lambda e: e["category_id"] * 40),
            )
        ),
        reads(),
    ),
    (
        "a class above all",
        lambda root: write_coco(root, in_turn(of_all("categories", supercategory="birds"), birds_first)),
        reads(),
    ),
    (
        "a class before all that nothing tells to be above them",
        lambda root: write_coco(root, birds_first),
        reads("first-class-unused"),
    ),
]
VOC: list[Odd] = [
    (
        "difficult objects of a class",
        voc(lambda s, n, b, i: xml_object(n, b, i)),
        reads("class-of-crowds", objects=HENS, crowds=4),
    ),
    (
        "one difficult object",
        voc(lambda s, n, b, i: xml_object(n, b, int(i == 1 and s == "p"))),
        reads(objects={"p": TRUTH["p"][:1]}, crowds=1),
    ),
    ("all objects are difficult", voc(lambda s, n, b, i: xml_object(n, b, 1)), Refused("all-crowds")),
]


def marked(*names: str) -> Any:
    """A table with two columns that mark objects, of which the second marks owls."""
    return one(f"image,x1,y1,x2,y2,label,{','.join(names)}\n", form=lambda s, n, b: f"{keras(s, n, b)},0,{n == 'owl'}")


CSV: list[Odd] = [
    (f"{names}", marked(*names), reads(CROWDS, objects=HENS, crowds=4, whole=True))
    for names in (("iscrowd", "difficult"), ("difficult", "ignore"))
]
LABELME: list[Odd] = [
    (
        "a difficult object",
        labelme_set(change=lambda text: text.replace('"label": "hen",', '"label": "hen", "difficult": true,')),
        reads(objects={"p": TRUTH["p"][1:]}, crowds=1),
    ),
]
DIFFICULT = '><attribute name="Difficult">true</attribute></box>'
CVAT: list[Odd] = [
    (
        "a difficult object",
        cvat_set(True, lambda text: text.replace("></box>", DIFFICULT, 1)),
        reads(objects={"p": TRUTH["p"][1:]}, crowds=1),
    ),
]
SETS = {"coco": COCO, "voc": VOC, "csv": CSV, "labelme": LABELME, "cvat": CVAT}
