"""Tables of boxes as TensorFlow's and Keras's tools write them."""

from __future__ import annotations

from pathlib import Path

from tests.data.odd.names import NAME
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

CSV: list[Odd] = [
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
    ("other tables", one("a,b\n1,2\n", lambda text: "a,b\n1,2\n"), Refused("unusable-folder", "1 CSV files")),
]
SETS = {"csv": CSV}
