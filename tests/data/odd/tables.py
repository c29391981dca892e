"""Tables of boxes as TensorFlow's and Keras's tools write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.data.odd.names import NAME, moved, then
from tests.data.odd.sets import ALL, HEIGHT, SPLITS, TRUTH, WIDTH, Make, Odd, Refused, picture, reads, write

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def tensorflow(name: str, label: str, box: tuple[float, ...]) -> str:
    return ",".join(map(str, (name, WIDTH, HEIGHT, label, *box)))


def keras(name: str, label: str, box: tuple[float, ...]) -> str:
    return ",".join(map(str, (name, *box, label)))


def open_images(name: str, label: str, box: tuple[float, ...]) -> str:
    x1, y1, x2, y2 = box
    group = int((name, label) == ("p", "owl"))
    return f"{name},xclick,{label},1,{x1 / WIDTH},{x2 / WIDTH},{y1 / HEIGHT},{y2 / HEIGHT},0,0,{group},0,0"


def lines(stems: tuple[str, ...], form: object = tensorflow, name: str = "{}.jpg") -> str:
    return "".join(f"{form(name.format(stem), label, box)}\n" for stem in stems for label, box in TRUTH[stem])  # type: ignore[operator]


def tables(file: str, images: str, header: str = HEADER, change: object = str, **how: object) -> Make:
    def make(root: Path) -> None:
        for split, stems in SPLITS.items():
            write(root / file.format(split), change(header + lines(stems, **how)))  # type: ignore[operator, arg-type]
            for stem in stems:
                picture(root / images.format(stem, split=split))

    return make


def one(header: str, change: object = str, **how: object) -> Make:
    def make(root: Path) -> None:
        write(root / "annotations.csv", change(header + lines(ALL, **how)))  # type: ignore[operator, arg-type]
        for stem in ALL:
            picture(root / "images" / f"{stem}.jpg")

    return make


OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
)


def class_first(name: str, label: str, box: tuple[float, ...]) -> str:
    return ",".join(map(str, (name, label, *box)))


def commas(name: str, label: str, box: tuple[float, ...]) -> str:
    return ";".join((name, *(f"{side:.1f}".replace(".", ",") for side in box), label))


def numbered(name: str, label: str, box: tuple[float, ...]) -> str:
    return f"{('hen', 'owl').index(label)},{keras(name, label, box)}"


def reversed_cells(text: str) -> str:
    """Class, corners and image: the other way about, with blanks."""
    cells = [line.split(",") for line in text.splitlines()]
    return "".join(f"{label}, {', '.join(box)}, {image}\n" for image, *box, label in cells)


def sized(name: str, label: str, box: tuple[float, ...]) -> str:
    return f"{keras(name, label, box)},{WIDTH},{HEIGHT}"


FORM = "line-in-other-form"


def without_objects(line: str) -> Callable[[str], str]:
    """An image without objects, in the first line behind the header."""
    return lambda text: re.sub(r"(?m)^(?=p\.jpg)", f"{line}\n", text, count=1)


def with_negative(header: str, line: str, **how: object) -> Make:
    """All images, q without objects."""
    objects = {"q.jpg,"}

    def change(text: str) -> str:
        kept = [each for each in text.splitlines() if not any(name in each for name in objects)]
        return without_objects(line)("\n".join(kept) + "\n")

    return one(header, change, **how)


CSV: list[Odd] = [
    ("the class after the image", one("", form=class_first), reads(FORM, whole=True)),
    ("commas in numbers", one("image;x1;y1;x2;y2;class\n", form=commas), reads("box-in-other-form", whole=True)),
    ("commas in numbers, no header", one("", form=commas), reads("box-in-other-form", whole=True)),
    ("numbers and names of classes", one("class,image,x1,y1,x2,y2,label\n", form=numbered), reads(whole=True)),
    ("blanks after commas", one(HEADER, lambda text: text.replace(",", ", ")), reads(whole=True)),
    (
        "blanks after commas, before the image",
        one("", lambda text: "label, x1, y1, x2, y2, image\n" + reversed_cells(text), form=keras),
        reads(whole=True),
    ),
    *(
        (f"no objects as {line}", with_negative(header, line, form=form), reads(objects={"q": []}, whole=True))
        for header, line, form in (
            ("", "q.jpg,,,,,", keras),
            (HEADER, "q.jpg,120,90,nan,nan,nan,nan,nan", tensorflow),
            (HEADER, "q.jpg,120,90,background,0,0,0,0", tensorflow),
        )
    ),
    (
        "Open Images' names of PNG files",
        tables("{}-annotations-bbox.csv", "{split}/{}.png", OPEN_IMAGES, form=open_images, name="{}"),
        reads(objects={"p": TRUTH["p"][:1]}, crowds=1),
    ),
    (
        "Open Images' names with a suffix",
        tables("{}-annotations-bbox.csv", "{split}/{}.jpg", OPEN_IMAGES, form=open_images),
        reads(crowds=0),
    ),
    ("TensorFlow's", tables("{}_labels.csv", "images/{}.jpg"), reads()),
    ("a table in each folder", tables("{}/_annotations.csv", "{split}/{}.jpg"), reads()),
    (
        "Open Images'",
        tables("{}-annotations-bbox.csv", "{split}/{}.jpg", OPEN_IMAGES, form=open_images, name="{}"),
        reads(objects={"p": TRUTH["p"][:1]}, crowds=1),
    ),
    ("Keras's", one("", form=keras, name="images/{}.jpg"), reads(whole=True)),
    ("Keras's, of names elsewhere", one("", form=keras, name="/home/x/images/{}.jpg"), reads(NAME, whole=True)),
    ("semicolons", one(HEADER, lambda text: text.replace(",", ";")), reads(whole=True)),
    ("columns of other names", one("image_path,x1,y1,x2,y2,label\n", form=keras), reads(whole=True)),
    (
        "a box without a corner",
        one(HEADER, lambda text: text.replace("12,9,48,45", "12,9,48,")),
        reads("box-incomplete", objects={"p": TRUTH["p"][1:]}, crowds=1, whole=True),
    ),
    (
        "an image without objects",
        one("", lambda text: text.replace("6,18,54,63,hen", ",,,,").replace("66,9,114,54,owl", ",,,,"), form=keras),
        reads(objects={"q": []}, whole=True),
    ),
    (
        "an image that is not there",
        one(HEADER, lambda text: f"{text}z.jpg,1,1,owl,1,1,5,5\n"),
        Refused("missing-image", "z.jpg"),
    ),
    (
        "blanks and signs in a header",
        one("Image Path,X Min,Y Min,X Max,Y Max,Class Name\n", form=keras),
        reads(whole=True),
    ),
    ("corners of a box", one("image,bbox_xmin,bbox_ymin,bbox_xmax,bbox_ymax,label\n", form=keras), reads(whole=True)),
    ("names without a suffix", one("image_id,x1,y1,x2,y2,label\n", form=keras, name="{}"), reads(whole=True)),
    (
        "names without a suffix that two images have",
        then(
            one("image_id,x1,y1,x2,y2,label\n", form=keras, name="{}"), lambda root: picture(root / "images/p.png", "z")
        ),
        Refused("missing-image", "'p'"),
    ),
    ("blanks around names", one(HEADER, name=" {}.jpg "), reads(whole=True)),
    ("a line for Excel", one(HEADER, lambda text: "sep=;\n" + text.replace(",", ";")), reads(whole=True)),
    (
        "no finding",
        with_negative("image_id,x1,y1,x2,y2,label\n", "q.jpg,,,,,No finding", form=keras),
        reads(objects={"q": []}, whole=True),
    ),
    ("SKU-110K's", one("", form=sized), reads(whole=True)),
    (
        "tabs",
        then(one(HEADER, lambda text: text.replace(",", "\t")), moved("annotations.csv", "annotations.tsv")),
        reads(whole=True),
    ),
    ("other tables", one("a,b\n1,2\n", lambda text: "a,b\n1,2\n"), Refused("unusable-folder", "1 CSV files")),
]
SETS = {"csv": CSV}
