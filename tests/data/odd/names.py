"""Names of files: of other systems and places, of label files that are missing, of what systems leave behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.data.odd.sets import (
    SPLITS,
    YAML,
    Make,
    Odd,
    Refused,
    labels,
    of_all,
    picture,
    reads,
    write,
    write_coco,
    write_voc,
    write_yolo,
    xml,
)  # fmt: skip

APPLE = b"\0\5\x16\7\0\2\0\0Mac OS X" + b"\0\2\0\0" * 9
LISTS = "path: .\ntrain: train.txt\nval: val.txt\nnames: [hen, owl]\n"


def then(make: Make, *changes: Callable[[Path], object]) -> Make:
    def both(root: Path) -> None:
        make(root)
        for change in changes:
            change(root)

    return both


def moved(old: str, new: str) -> Callable[[Path], None]:
    """A file or folder by another name."""

    def change(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return change


def renamed(pattern: str, name: Callable[[str], str]) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for path in sorted(root.glob(pattern)):
            path.rename(path.with_name(name(path.name)))

    return change


def removed(*names: str) -> Callable[[Path], None]:
    return lambda root: [(root / name).unlink() for name in names]


def added(**files: str | bytes) -> Callable[[Path], None]:
    return lambda root: [write(root / name, content) for name, content in files.items()]


def extra(name: str) -> Callable[[Path], None]:
    return lambda root: picture(root / name)


def linked(name: str) -> Callable[[Path], None]:
    """A folder elsewhere in the data, and a link in its place."""

    def change(root: Path) -> None:
        (root / "store").mkdir(exist_ok=True)
        (root / name).rename(root / "store" / name.replace("/", "_"))
        (root / name).symlink_to(root / "store" / name.replace("/", "_"), target_is_directory=True)

    return change


def listed(line: str) -> Make:
    """YOLO by lists of images."""

    def make(root: Path) -> None:
        write_yolo(root, LISTS)
        for split, stems in SPLITS.items():
            write(root / f"{split}.txt", "".join(line.format(stem, split=split) + "\n" for stem in stems))

    return make


NAME = "file-by-other-name"
UPPER = str.upper
YOLO: list[Odd] = [
    (
        "percent-encoded labels",
        then(
            write_yolo,
            renamed("images/*/*.jpg", lambda n: f"{n[0]} ö 1.jpg"),
            renamed("labels/*/*.txt", lambda n: quote(f"{n[0]} ö 1.txt")),
        ),
        reads(NAME),
    ),
    (
        "percent-encoded images",
        then(
            write_yolo,
            renamed("images/*/*.jpg", lambda n: quote(f"{n[0]} 1.jpg")),
            renamed("labels/*/*.txt", lambda n: f"{n[0]} 1.txt"),
        ),
        reads(NAME),
    ),
    ("images in upper case", then(write_yolo, renamed("images/*/*.jpg", UPPER)), reads(NAME)),
    ("labels in upper case", then(write_yolo, renamed("labels/train/*.txt", UPPER)), reads(NAME)),
    (
        "Images and Labels",
        then(
            lambda root: write_yolo(root, YAML.replace("images", "Images")),
            moved("images", "Images"),
            moved("labels", "Labels"),
        ),
        reads(NAME),
    ),
    ("labels in another folder", then(write_yolo, moved("labels", "yolo_txt")), reads("labels-elsewhere")),
    ("labels in one folder", lambda root: write_yolo(root, places="labels/{}.txt"), reads("labels-elsewhere")),
    ("one folder for both", lambda root: write_yolo(root, places="images/{split}/{}.txt"), reads()),
    (
        "labels in a folder among the images",
        lambda root: write_yolo(root, places="images/{split}/labels/{}.txt"),
        reads("labels-elsewhere"),
    ),
    (
        "labels of two folders that both fit",
        then(
            write_yolo,
            moved("labels", "one"),
            lambda root: [write(root / "two" / "train" / f"{stem}.txt", labels(stem)) for stem in SPLITS["train"]],
        ),
        Refused("missing-labels", "3 of the 3 images of 'train'"),
    ),
    (
        "labels called a.jpg.txt",
        then(write_yolo, renamed("labels/*/*.txt", lambda n: f"{n[0]}.jpg.txt")),
        reads(NAME),
    ),
    ("folders that are links", then(write_yolo, linked("images/train"), linked("labels/train")), reads()),
    (
        "an image that no list names",
        then(listed("images/{split}/{}.jpg"), extra("images/val/z.jpg")),
        reads("unlisted-image"),
    ),
    ("lists of names alone", listed("{}.jpg"), reads(NAME)),
    (
        "what a detector found is no annotation",
        then(write_yolo, moved("labels", "runs/detect/labels")),
        Refused("missing-labels", "looked for labels/train/p.txt"),
    ),
    (
        "one of three label files is missing",
        then(write_yolo, removed("labels/train/q.txt")),
        Refused("missing-labels", "1 of the 3 images of 'train': images/train/q.jpg"),
    ),
    ("backslashes in lists", listed("images\\{split}\\{}.jpg"), reads(NAME)),
    ("data/ in lists", listed("data/images/{split}/{}.jpg"), reads(NAME)),
    ("names of another machine in lists", listed("C:\\Users\\x\\set\\images\\{split}\\{}.jpg"), reads(NAME)),
    ("names of another disk in lists", listed("/mnt/disk/set/images/{split}/{}.jpg"), reads(NAME)),
    ("./ in lists", listed("./images/{split}/{}.jpg"), reads()),
    ("ids before names of labels", lambda root: write_yolo(root, places="labels/{split}/3a7b12cd-{}.txt"), reads(NAME)),
    (
        "two ids before the name of a label",
        then(
            lambda root: write_yolo(root, places="labels/{split}/3a7b12cd-{}.txt"),
            lambda root: write(root / "labels/train/00000000-p.txt", labels("q")),
        ),
        Refused("missing-labels", "images/train/p.jpg"),
    ),
    ("UTF-16 settings", lambda root: write_yolo(root, YAML.encode("utf-16")), reads()),
    (
        "UTF-16 labels",
        then(write_yolo, lambda root: write(root / "labels/train/q.txt", labels("q").encode("utf-16"))),
        reads(),
    ),
    (
        "a byte order mark",
        then(write_yolo, lambda root: write(root / "labels/train/q.txt", b"\xef\xbb\xbf" + labels("q").encode())),
        reads(),
    ),
    (
        "files of a Mac",
        then(
            write_yolo,
            added(
                **{
                    "images/train/._p.jpg": APPLE,
                    "labels/train/._p.txt": APPLE,
                    "._data.yaml": APPLE,
                    "images/.DS_Store": APPLE,
                }
            ),
        ),
        reads(),
    ),
    (
        "another Mac folder beside it",
        lambda root: (write_yolo(root / "birds"), write(root / "__MACOSX/birds/._data.yaml", APPLE)),
        reads(),
    ),
    (
        "two suffixes of one name",
        then(
            write_yolo,
            lambda root: picture(root / "images/val/s.png", "s"),
            renamed("images/val/s.png", lambda n: "S.png"),
            removed("images/val/s.jpg"),
        ),
        reads(NAME),
    ),
    (
        "pictures that are not decoded",
        then(write_yolo, moved("images/train/q.jpg", "images/train/q.heic")),
        reads("undecoded-image", "annotation-without-image", objects={"q": None}),
    ),
    (
        "pictures that are not decoded, beside their labels",
        then(
            lambda root: write_yolo(
                root, YAML.replace("images/", ""), images="{split}/{}.jpg", places="{split}/{}.txt"
            ),
            moved("train/q.jpg", "train/q.avif"),
        ),
        reads("undecoded-image", objects={"q": None}),
    ),
    *(
        (
            f"pictures beside their labels, one called {name}",
            then(
                lambda root: write_yolo(
                    root, YAML.replace("images/", ""), images="{split}/{}.jpg", places="{split}/{}.txt"
                ),
                moved("train/q.jpg", f"train/{name}"),
            ),
            reads(kind, objects={"q": None}),
        )
        for name, kind in (
            ("q", "annotation-without-image"),
            ("q.xyz", "annotation-without-image"),
            ("q.tga", "undecoded-image"),
        )
    ),
    (
        "JPEG by another name",
        then(write_yolo, moved("images/train/q.jpg", "images/train/q.jfif")),
        reads("unusual-suffix"),
    ),
    *(
        (
            f"settings {old} as {new}",
            lambda root, new=new, old=old: write_yolo(root, YAML.replace(old, new)),
            reads(*kinds),
        )
        for old, new, kinds in (
            ("images/", "C:\\data\\images\\", (NAME,)),
            ("images/", "/content/drive/x/images/", (NAME,)),
            ("images/", "images\\", (NAME,)),
            ("images/", "birds-1/images/", (NAME,)),
            ("images/", "../images/", ()),
            ("train:", "path: ../sets/birds\ntrain:", ()),
            ("names", "test: images/test\nnames", ("absent-split",)),
            ("val:", "valid:", ()),
            ("names", "test:\nnames", ()),
        )
    ),
    (
        "settings whose training images are not there",
        lambda root: write_yolo(root, YAML.replace("images/train", "nowhere")),
        Refused("malformed-annotations", "under 'train', but got 'nowhere'"),
    ),
]


def twice(content: dict) -> None:
    """The objects of an image under two entries of the same file."""
    content["images"].append({**content["images"][0], "id": 7777})
    content["annotations"][1]["image_id"] = 7777


def two_names(content: dict) -> None:
    for place, entry in zip("xy", content["images"], strict=False):
        entry["file_name"] = f"{place}\\{content['images'][0]['file_name'][-5:]}"


def blanks(content: dict[str, Any]) -> None:
    """A blank behind the names of classes, in the file of one split."""
    if len(content["images"]) == len(SPLITS["val"]):
        of_all("categories", name=lambda entry: f"{entry['name']} ")(content)


ID = "3a7b12cd-"
COCO: list[Odd] = [
    ("ids before file names", lambda root: write_coco(root, name=f"upload/{ID}{{}}.jpg"), reads(NAME)),
    (
        "ids before file names of one image",
        lambda root: write_coco(
            root,
            lambda content: content["images"].append({**content["images"][0], "id": 99, "file_name": f"{ID}p.jpg"}),
        ),
        Refused("missing-image", f"'{ID}p.jpg'"),
    ),
    ("blanks around file names", lambda root: write_coco(root, name=" {}.jpg "), reads(NAME)),
    ("blanks behind names of classes", lambda root: write_coco(root, blanks), reads()),
    (
        "UTF-16",
        then(
            lambda root: write_coco(root, None, "annotations/{}.json"),
            *(
                lambda root, split=split: write(
                    root / f"annotations/{split}.json",
                    (root / f"annotations/{split}.json").read_text().encode("utf-16"),
                )
                for split in SPLITS
            ),
        ),
        reads(),
    ),
    *(
        (f"file_name {name}", lambda root, name=name: write_coco(root, name=name), reads(NAME))
        for name in (
            "images\\{}.jpg",
            "..\\..\\upload\\{}.jpg",
            "../upload/{}.jpg",
            "/home/x/set/{}.jpg",
            "{}.JPG",
            "x/{}.jpg",
        )
    ),
    ("percent signs", lambda root: write_coco(root, name="{} a%20b.jpg", stored="{} a b.jpg"), reads(NAME)),
    ("a file in upper case", lambda root: write_coco(root, stored="{}.JPG"), reads(NAME)),
    ("an image that the file does not list", then(write_coco, extra("train/z.jpg")), reads("unlisted-image")),
    ("one file listed twice", lambda root: write_coco(root, twice), reads("repeated-image")),
    (
        "files of a Mac",
        then(write_coco, added(**{"annotations/._instances_train.json": APPLE, "train/._p.jpg": APPLE})),
        reads(),
    ),
    ("two names for one file", lambda root: write_coco(root, two_names), Refused("missing-image", "2 not in")),
    (
        "an image of the other split is none of this",
        then(write_coco, removed("val/s.jpg"), lambda root: picture(root / "train/s.jpg")),
        Refused("missing-image", "s.jpg"),
    ),
]

VOC: list[Odd] = [
    ("names of images in lists", lambda root: write_voc(root, line="{}.jpg\n"), reads()),
    *(
        (
            f"XML in {encoding}",
            lambda root, encoding=encoding: write_voc(
                root,
                lambda s: f'<?xml version="1.0" encoding="{encoding}"?>\n{xml(s)}'.replace(  # type: ignore[arg-type, return-value]
                    "<filename>", "<folder>\u6587\u4ef6</folder><filename>"
                ).encode(encoding),
            ),
            reads(),
        )
        for encoding in ("gb2312", "GBK", "big5", "shift_jis")
    ),
    ("a flag behind each name in lists", lambda root: write_voc(root, line="{}  1\n"), reads()),
    ("lists beside the folders", lambda root: write_voc(root, lists="{}.txt"), reads()),
    (
        "lists of images and their XML",
        lambda root: write_voc(root, lists="{}_list.txt", line="./JPEGImages/{0}.jpg ./Annotations/{0}.xml\n"),
        reads(),
    ),
    (
        "notes called like a list beside the folders",
        then(lambda root: write_voc(root), lambda root: write(root / "test.txt", "not yet taken\n")),
        reads(),
    ),
    ("paths of images in lists", lambda root: write_voc(root, line="JPEGImages/{}.jpg\n"), reads()),
    ("folders that are links", then(write_voc, linked("Annotations"), linked("JPEGImages")), reads()),
    ("an image without XML", then(write_voc, extra("JPEGImages/z.jpg")), reads("unlisted-image")),
    ("XML in upper case", lambda root: write_voc(root, xmls="Annotations/{}.XML"), reads()),
    ("images in upper case", then(write_voc, renamed("JPEGImages/*", UPPER)), reads(NAME)),
    (
        "files of a Mac",
        then(
            lambda root: write_voc(root, lists=None),
            added(**{"Annotations/._p.xml": APPLE, "JPEGImages/._p.jpg": APPLE}),
        ),
        reads(whole=True),
    ),
    ("<filename> of another suffix", lambda root: write_voc(root, images="JPEGImages/{}.png"), reads()),
    (
        "<filename> of an image that is not there",
        lambda root: write_voc(root, lambda stem: xml(stem, name="x.jpg")),
        reads(),
    ),
    (
        "<filename> of another image",
        lambda root: write_voc(root, lambda stem: xml(stem, name="q.jpg" if stem == "p" else None)),
        reads("other-filename"),
    ),
    (
        "<filename> alone knows the image",
        then(
            lambda root: write_voc(root, lambda stem: xml(stem, name=f"{stem}-photo.jpg")),
            renamed("JPEGImages/*", lambda n: f"{n[0]}-photo.jpg"),
        ),
        reads(),
    ),
    (
        "two suffixes, of which <filename> names one",
        then(write_voc, lambda root: picture(root / "JPEGImages/p.png")),
        reads("images-of-one-name"),
    ),
    (
        "two suffixes, of which <filename> names none",
        then(
            lambda root: write_voc(root, lambda stem: xml(stem, name="x.gif")),
            lambda root: picture(root / "JPEGImages/p.png"),
        ),
        Refused("ambiguous-image", "JPEGImages/p.jpg, JPEGImages/p.png"),
    ),
    (
        "UTF-16 lists",
        then(write_voc, lambda root: write(root / "ImageSets/Main/train.txt", "p\r\nq\r\nr\r\n".encode("utf-16"))),
        reads(),
    ),
]
SETS = {"yolo": YOLO, "coco": COCO, "voc": VOC}
