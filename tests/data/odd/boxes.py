"""Boxes: columns, units, corners, repetitions, broken ones, and what can be repaired."""

from __future__ import annotations

from typing import Any

from tests.data.odd.sets import (
    CLASSES,
    HEIGHT,
    TRUTH,
    WIDTH,
    YAML,
    Box,
    Line,
    Make,
    Odd,
    Refused,
    fractions,
    of_all,
    of_first,
    plain,
    reads,
    text,
    write_coco,
    write_voc,
    write_yolo,
    xml,
    xml_object,
)  # fmt: skip


def yolo(line: Line, only: tuple[str, ...] = ("p", "q", "r", "s"), settings: str = YAML) -> Make:
    return lambda root: write_yolo(root, settings, line, only)


def after(*numbers: Any) -> Line:
    """A plain line with more numbers behind the box."""
    return lambda label, box: text(CLASSES.index(label), *fractions(box), *numbers)


def scaled(box: Box) -> list[float]:
    return [side / limit for side, limit in zip(box, (WIDTH, HEIGHT, WIDTH, HEIGHT), strict=True)]


def polygon(label: str, box: Box) -> str:
    x1, y1, x2, y2 = scaled(box)
    return text(CLASSES.index(label), x1, y1, x2, y1, x2, y2, (x1 + x2) / 2, y2, x1, (y1 + y2) / 2)


def corners_of_four(label: str, box: Box) -> str:
    x1, y1, x2, y2 = scaled(box)
    return text(CLASSES.index(label), x1, y1, x2, y1, x2, y2, x1, y2)


def pose(points: int, dimensions: int, visible: Any = 2) -> Line:
    def line(label: str, box: Box) -> str:
        x, y, width, height = fractions(box)
        places = [
            (x + width * ((i + 0.5) / points - 0.5), y - height * ((i + 0.5) / points - 0.5)) for i in range(points)
        ]
        rest = [value for place in places for value in (*place, visible)[:dimensions]]
        return text(CLASSES.index(label), x, y, width, height, *rest)

    return line


def pixels(label: str, box: Box) -> str:
    x1, y1, x2, y2 = box
    return text(CLASSES.index(label), (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)


YOLO: list[Odd] = [
    ("a confidence", yolo(after(0.87)), reads("columns-told")),
    (
        "classes counted from 1, and a name too many",
        yolo(
            lambda n, b: text(CLASSES.index(n) + 1, *fractions(b)), settings=YAML.replace("[hen, owl]", "[x, hen, owl]")
        ),
        reads("first-class-unused"),
    ),
    (
        "y before x",
        yolo(lambda n, b: text(CLASSES.index(n), *(fractions(b)[axis] for axis in (1, 0, 3, 2)))),
        Refused("axes-look-exchanged", "100% of them"),
    ),
    ("a confidence in one file", yolo(after(0.5), ("q",)), reads("columns-told")),
    ("a confidence and a track", yolo(after(0.87, 17)), reads("columns-told")),
    ("an angle in degrees", yolo(after(45.0)), Refused("no-training-boxes", "all 8 lines have six numbers.*angle")),
    (
        "an angle in one file",
        yolo(after(45.0), ("q",)),
        reads("line-of-unknown-columns", "image-left-out", objects={"q": None}),
    ),
    ("polygons", yolo(polygon), reads()),
    ("polygons of one class", yolo(lambda n, b: polygon(n, b) if n == "owl" else plain(n, b)), reads()),
    (
        "polygons, some of two points",
        yolo(lambda n, b: polygon(n, b) if n == "owl" else text(0, *scaled(b))),
        Refused("boxes-look-like-corners", "of the lines with five numbers"),
    ),
    ("oriented boxes", yolo(corners_of_four), reads()),
    *(
        (
            f"{points} key points of {dimensions} numbers without kpt_shape",
            yolo(pose(points, dimensions)),
            reads("columns-told"),
        )
        for points in (1, 3, 5, 17)
        for dimensions in (2, 3)
    ),
    ("key points with scores", yolo(pose(4, 3, 0.75)), reads("columns-told")),
    ("key points that kpt_shape names", yolo(pose(3, 3), settings=YAML + "kpt_shape: [3, 3]\n"), reads()),
    (
        "key points that kpt_shape does not name",
        yolo(pose(3, 2), settings=YAML + "kpt_shape: [17, 3]\n"),
        reads("columns-told"),
    ),
    (
        "three numbers",
        yolo(lambda n, b: " ".join(plain(n, b).split()[:4])),
        Refused("no-training-boxes", "all 8 lines have four numbers"),
    ),
    ("commas", yolo(lambda n, b: plain(n, b).replace(" ", ",")), reads("line-in-other-form")),
    ("commas and blanks", yolo(lambda n, b: plain(n, b).replace(" ", ", "), ("r",)), reads("line-in-other-form")),
    (
        "semicolons and decimal commas",
        yolo(lambda n, b: plain(n, b).replace(" ", ";").replace(".", ",")),
        reads("line-in-other-form"),
    ),
    ("decimal commas", yolo(lambda n, b: plain(n, b).replace(".", ","), ("p",)), reads("line-in-other-form")),
    ("class names", yolo(lambda n, b: text(n.upper(), *fractions(b))), reads("line-in-other-form")),
    (
        "class names with blanks",
        yolo(
            lambda n, b: text({"hen": "a hen", "owl": "an owl"}[n], *fractions(b)),
            settings="train: images/train\nval: images/val\nnames: [a hen, an owl]\n",
        ),
        reads(
            "line-in-other-form",
            objects={
                stem: [({"hen": "a hen", "owl": "an owl"}[n], b) for n, b in objects] for stem, objects in TRUTH.items()
            },
        ),
    ),
    (
        "DOTA",
        yolo(lambda n, b: text(b[0], b[1], b[2], b[1], b[2], b[3], b[0], b[3], n, 0)),
        Refused("no-training-boxes", "line-not-numbers.*12 9 48 9 48 45 12 45 hen 0"),
    ),
    ("pixels", yolo(pixels), Refused("boxes-look-like-pixels")),
    ("corners in pixels", yolo(lambda n, b: text(CLASSES.index(n), *b)), Refused("boxes-look-like-pixels")),
    ("corners", yolo(lambda n, b: text(CLASSES.index(n), *scaled(b))), Refused("boxes-look-like-corners", "stick out")),
    (
        "corners of one class",
        yolo(lambda n, b: text(1, *scaled(b)) if n == "owl" else plain(n, b)),
        Refused("boxes-look-like-corners"),
    ),
    ("every line twice", yolo(lambda n, b: f"{plain(n, b)}\n{plain(n, b)}", ("p",)), reads("duplicate-object")),
    (
        "classes that count from 1",
        yolo(lambda n, b: text(CLASSES.index(n) + 1, *fractions(b))),
        Refused("unknown-category", "line 2 has class 2 of 2 .classes count from 0 to 1."),
    ),
    ("classes as 1.0", yolo(lambda n, b: text(f"{CLASSES.index(n)}.0", *fractions(b))), reads()),
    ("comments", yolo(lambda n, b: f"# {n}\n{plain(n, b)}"), reads()),
    (
        "a broken line",
        yolo(lambda n, b: f"{plain(n, b)}\n0 0.5 0.5 nan 0.2", ("p",)),
        reads("box-not-finite", crowds=2),
    ),
]


def mirrored(entry: dict[str, Any]) -> list[float]:
    x, y, width, height = entry["bbox"]
    return [x + width, y + height, -width, -height]


def centred(entry: dict[str, Any]) -> list[float]:
    x, y, width, height = entry["bbox"]
    return [x + width / 2, y + height / 2, width, height]


def as_corners(entry: dict[str, Any]) -> list[float]:
    x, y, width, height = entry["bbox"]
    return [x, y, x + width, y + height]


def around(entry: dict[str, Any]) -> list[list[float]]:
    x1, y1, x2, y2 = as_corners(entry)
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def runs(entry: dict[str, Any]) -> dict[str, Any]:
    x, y, width, height = map(int, entry["bbox"])
    counts = [x * HEIGHT + y, *[height, HEIGHT - height] * width]
    counts[-1] += WIDTH * HEIGHT - sum(counts)
    return {"size": [HEIGHT, WIDTH], "counts": counts}


def coco_set(change: Any) -> Make:
    return lambda root: write_coco(root, change)


def in_turn(*changes: Any) -> Any:
    return lambda content: [change(content) for change in changes]


def large(content: dict[str, Any]) -> None:
    """Corners in images so large that nothing sticks out, without a word on areas."""
    of_all("annotations", bbox=as_corners, area=0)(content)
    template = content["annotations"]
    content["annotations"] = [
        {**entry, "id": 1000 + 50 * shift + number, "bbox": [value + 20 * shift for value in entry["bbox"]]}
        for shift in range(6)
        for number, entry in enumerate(template)
    ]
    of_all("images", width=0, height=0)(content)


def of_first_class(**values: Any) -> Any:
    def change(content: dict[str, Any]) -> None:
        of_all("entries", **values)({"entries": [e for e in content["annotations"] if e["category_id"] == 1]})

    return change


FIRST_LOST = {"p": TRUTH["p"][1:], "s": TRUTH["s"][1:]}
COCO: list[Odd] = [
    (
        "masks beside boxes of zeros",
        coco_set(in_turn(of_all("annotations", segmentation=around), of_all("annotations", bbox=[0, 0, 0, 0]))),
        reads("box-from-mask"),
    ),
    ("corners", coco_set(of_all("annotations", bbox=as_corners)), Refused("boxes-look-like-corners")),
    ("corners of one class", coco_set(of_first_class(bbox=as_corners)), Refused("boxes-look-like-corners")),
    (
        "corners, told by masks",
        coco_set(in_turn(of_all("annotations", segmentation=around, area=0), of_all("annotations", bbox=as_corners))),
        Refused("boxes-look-like-corners"),
    ),
    (
        "fractions",
        coco_set(of_all("annotations", bbox=lambda e: scaled(e["bbox"]))),
        Refused("boxes-look-like-fractions"),
    ),
    (
        "fractions of one class",
        coco_set(of_first_class(bbox=lambda e: scaled(e["bbox"]))),
        Refused("boxes-look-like-fractions"),
    ),
    ("centres", coco_set(of_all("annotations", bbox=centred)), Refused("boxes-stick-out", "none as cxcywh")),
    ("negative sides", coco_set(of_first("annotations", bbox=mirrored)), reads("corners-swapped")),
    (
        "a mask and no box",
        coco_set(in_turn(of_all("annotations", segmentation=around), of_all("annotations", bbox=None))),
        reads("box-from-mask"),
    ),
    (
        "runs and no box",
        coco_set(in_turn(of_all("annotations", segmentation=runs), of_all("annotations", bbox=[]))),
        reads("box-from-mask"),
    ),
    *(
        (f"a box {box}", coco_set(of_first("annotations", bbox=box)), reads(kind, objects=FIRST_LOST, crowds=crowds))
        for box, kind, crowds in (
            (None, "box-missing", 0),
            ([], "box-missing", 0),
            ("12 9 36 36", "box-not-numbers", 0),
            ([12, 9, 36], "box-not-numbers", 0),
            ([12, 9, float("nan"), 36], "box-not-finite", 2),
            ([12, 9, 0, 36], "box-without-area", 0),
            ([500, 9, 10, 36], "box-outside", 0),
        )
    ),
    (
        "numbers as text",
        coco_set(of_all("annotations", bbox=lambda e: list(map(str, e["bbox"])))),
        reads("box-in-other-form"),
    ),
    (
        "objects with other ids again",
        coco_set(
            lambda content: content["annotations"].extend(
                [{**entry, "id": entry["id"] + 5000} for entry in content["annotations"]]
            )
        ),
        reads("duplicate-object"),
    ),
    (
        "objects with the same ids again",
        coco_set(lambda content: content["annotations"].extend([dict(entry) for entry in content["annotations"]])),
        reads("repeated-annotation"),
    ),
    ("sizes as text", coco_set(of_all("images", width=str(WIDTH), height=str(HEIGHT))), reads()),
    ("no sizes", coco_set(of_all("images", width=None, height=None)), reads()),
]


def voc(objects: Any) -> Make:
    """XML whose objects come from a function of the stem, label, box and number."""
    return lambda root: write_voc(
        root, lambda stem: xml(stem, "".join(objects(stem, n, b, i) for i, (n, b) in enumerate(TRUTH[stem])))
    )


SIDES = Refused("boxes-look-like-sides")
SECOND = {stem: objects[1:] for stem, objects in TRUTH.items()}
VOC: list[Odd] = [
    (
        "objects that were struck off",
        voc(
            lambda s, n, b, i: xml_object(n, b) + xml_object("emu", b).replace("</name>", "</name><deleted>1</deleted>")
        ),
        reads(),
    ),
    (
        "rotated boxes",
        voc(lambda s, n, b, i: xml_object(n, b).replace("bndbox", "robndbox") if i else xml_object(n, b)),
        Refused("shapes-not-read", "1 of 2: 1 of 'robndbox'"),
    ),
    (
        "exchanged corners of one object",
        voc(lambda s, n, b, i: xml_object(n, (b[2], b[1], b[0], b[3]) if i else b)),
        reads("corners-swapped"),
    ),
    (
        "exchanged corners of all",
        voc(lambda s, n, b, i: xml_object(n, (b[0], b[3], b[2], b[1]))),
        reads("corners-swapped"),
    ),
    (
        "sides for corners",
        voc(lambda s, n, b, i: xml_object(n, (b[0], b[1], (b[2] - b[0]) / 4, (b[3] - b[1]) / 4))),
        Refused("boxes-look-like-sides"),
    ),
    ("sides of all", voc(lambda s, n, b, i: xml_object(n, (b[0], b[1], b[2] - b[0], b[3] - b[1]))), SIDES),
    (
        "y before x",
        voc(lambda s, n, b, i: xml_object(n, (b[1], b[0], b[3], b[2]))),
        Refused("boxes-stick-out", "exchanged"),
    ),
    ("fractions", voc(lambda s, n, b, i: xml_object(n, scaled(b))), Refused("boxes-look-like-fractions")),
    (
        "a corner that is missing",
        voc(lambda s, n, b, i: xml_object(n, b if i else (*b[:3], None))),
        reads("box-incomplete", objects=SECOND, crowds=4),
    ),
    (
        "a corner without a number",
        voc(lambda s, n, b, i: xml_object(n, b if i else ("", *b[1:]))),
        reads("box-incomplete", objects=SECOND, crowds=4),
    ),
    (
        "a corner in words",
        voc(lambda s, n, b, i: xml_object(n, b if i else ("left", *b[1:]))),
        reads("box-not-numbers", objects=SECOND, crowds=4),
    ),
    (
        "two boxes in an object",
        voc(lambda s, n, b, i: xml_object(n, b).replace("<bndbox>", "<bndbox></bndbox><bndbox>")),
        Refused("malformed-annotations", "expected one <bndbox> in each object, but got 2"),
    ),
    (
        "objects of another case",
        voc(lambda s, n, b, i: xml_object(n, b).replace("object>", "Object>")),
        Refused("malformed-annotations", "got some in <Object>"),
    ),
    (
        "objects in another element",
        voc(lambda s, n, b, i: f"<objects>{xml_object(n, b)}</objects>"),
        Refused("malformed-annotations", "got some in <objects>"),
    ),
    (
        "parts of objects",
        voc(lambda s, n, b, i: xml_object(n, b).replace("<name>", f"<part>{xml_object('head', b)}</part><name>", 1)),
        reads(),
    ),
    ("decimal commas", voc(lambda s, n, b, i: xml_object(n, [f"{x},0" for x in b])), reads("box-in-other-form")),
    (
        "line breaks around numbers",
        voc(lambda s, n, b, i: xml_object(f"\n {n}\n", [f"\n{x:.1f} " for x in b])),
        reads(),
    ),
    ("every object twice", voc(lambda s, n, b, i: xml_object(n, b) * 2), reads("duplicate-object")),
    (
        "all objects of an image are broken",
        voc(lambda s, n, b, i: xml_object(n, (5, 5, 5, 5) if s == "q" else b)),
        reads("box-without-area", "image-left-out", objects={"q": None}),
    ),
    (
        "an object that lies outside is not seen",
        voc(lambda s, n, b, i: xml_object(n, (500, 5, 600, 50) if s == "q" else b)),
        reads("box-outside", objects={"q": []}),
    ),
    (
        "fractions in one file",
        voc(lambda s, n, b, i: xml_object(n, scaled(b) if s == "q" else b)),
        reads("box-below-a-pixel", "image-left-out", objects={"q": None}),
    ),
    ("no size", lambda root: write_voc(root, lambda stem: xml(stem, size=None)), reads()),
    ("a size of 0", lambda root: write_voc(root, lambda stem: xml(stem, size=(0, 0))), reads()),
    (
        "classes in upper and lower case",
        voc(lambda s, n, b, i: xml_object(n.title() if s == "p" else n, b)),
        reads("similar-class-names", objects={"p": [(n.title(), b) for n, b in TRUTH["p"]]}),
    ),
]

SETS = {"yolo": YOLO, "coco": COCO, "voc": VOC}
