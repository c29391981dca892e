"""Pascal VOC files that are broken, and what becomes of them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from tests.data.hostile.outcomes import GOOD, Case, Harm, Loads, Refused
from tests.data.layouts import SAMPLES, voc_xml

FILE = "Annotations/a.xml"
LIST = "ImageSets/Main/train.txt"
WIDTH, HEIGHT, OBJECTS = GOOD["a.png"]
BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {name} "{f"&{inner};" * 10}">' for name, inner in zip("bcdefghij", "abcdefghi", strict=True))
    + "]><annotation><filename>&j;</filename></annotation>"
)
OTHER_FILE = (
    '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>'
    "<annotation><object><name>&file;</name></object></annotation>"
)


def content(data: str | bytes, file: str = FILE) -> Harm:
    def harm(root: Path) -> None:
        (root / file).write_bytes(data if isinstance(data, bytes) else data.encode())

    return harm


def one_more(inner: str) -> Harm:
    """The good annotations of a.png and one more object."""
    return content(voc_xml(SAMPLES[0]).replace("</annotation>", f"<object>{inner}</object></annotation>"))


def linked_out(file: str) -> Harm:
    def harm(root: Path) -> None:
        (root / file).rename(root.parent / "moved")
        (root / file).symlink_to(root.parent / "moved")

    return harm


def in_latin_1(root: Path) -> None:
    """XML that says which encoding it is in."""
    xml = voc_xml(SAMPLES[0]).replace("<name>ant</name>", "<name>K\u00e4fer</name>")
    (root / FILE).write_bytes(b'<?xml version="1.0" encoding="iso-8859-1"?>' + xml.encode("latin-1"))


def image_renamed(name: str) -> Harm:
    """The image has a name that only <filename> knows."""

    def harm(root: Path) -> None:
        (root / "JPEGImages" / "a.png").rename(root / "JPEGImages" / "other.PNG")
        (root / FILE).write_text(voc_xml(SAMPLES[0]).replace("a.png", name))

    return harm


def image_removed(root: Path) -> None:
    (root / "JPEGImages" / "a.png").unlink()


def two_spellings(root: Path) -> None:
    """An accented letter as one code point in the list, as two in the files."""
    name = "K\u00e4fer \u7532\u866b"
    for file in (root / "JPEGImages" / "a.png", root / FILE):
        file.rename(file.with_name(unicodedata.normalize("NFD", name) + file.suffix))
    (root / LIST).write_text(f"{name}\nb\nc\n", encoding="utf-8")


def bytes_that_are_no_text(root: Path) -> None:
    """A file name in Latin-1, as an old archive unpacks it."""
    folder = os.fsencode(root)
    os.rename(folder + b"/JPEGImages/a.png", folder + b"/JPEGImages/\xe4.png")  # noqa: PTH104
    os.rename(folder + b"/Annotations/a.xml", folder + b"/Annotations/\xe4.xml")  # noqa: PTH104
    (root / LIST).write_bytes(b"\xe4\nb\nc\n")


def dropped(what: str, box: str) -> Case:
    return (f"box {box[:50]!r}", one_more(f"<name>ant</name>{box}"), Loads(problems={what: 1}))


def malformed(name: str, data: str | bytes, words: str) -> Case:
    return (name, content(data), Refused(FILE, "malformed-annotations", words))


POLYGON = "<x1>5</x1><y1>6</y1><x2>9</x2><y2>6</y2><x3>9</x3><y3>9</y3>"
BOXES: list[Case] = [
    dropped("box-without-area", BOX.format(5, 5, 5, 5)),
    ("corners exchanged", one_more(f"<name>ant</name>{BOX.format(9, 5, 5, 9)}"),
     Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [5, 5, 9, 9])])}, {"corners-swapped": 1})),
    dropped("box-not-finite", BOX.format("nan", 5, 9, 9)),
    dropped("box-not-finite", BOX.format(5, 5, "1e999", 9)),
    dropped("box-outside", BOX.format(50, 5, 60, 9)),
    dropped("box-outside", BOX.format(-50, -5, -40, -1)),
    dropped("box-not-numbers", BOX.format("five", 5, 9, 9)),
    dropped("box-incomplete", BOX.format("", 5, 9, 9)),
    dropped("box-not-numbers", BOX.format("1_0", 5, 19, 9)),
    dropped("box-incomplete", "<bndbox><xmin>5</xmin></bndbox>"),
    dropped("box-missing", ""),
    ("a rotated box", one_more("<name>ant</name><robndbox><cx>5</cx></robndbox>"),
     Refused(FILE, "shapes-not-read", "1 of 3")),
    ("decimal commas", one_more(f"<name>ant</name>{BOX.format('5,5', 6, '9,0', 9)}"),
     Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [5.5, 6, 9, 9])])}, {"box-in-other-form": 1})),
    ("a polygon", one_more(f"<name>ant</name><polygon>{POLYGON}</polygon>"),
     Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [5, 6, 9, 9])])}, {"box-from-mask": 1})),
    ("box partly outside", one_more(f"<name>ant</name>{BOX.format(-5, 20, 10, 99)}"),
     Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [0, 20, 10, 30])])}, {"box-clipped": 1})),
    ("enormous box", one_more(f"<name>ant</name>{BOX.format(-1e300, -1e300, 1e300, 1e300)}"),
     Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [0, 0, 40, 30])])}, {"box-clipped": 1})),
    ("parts of an object have boxes too",
     one_more(f"<name>ant</name><part><name>head</name>{BOX.format(1, 1, 3, 3)}</part>{BOX.format(1, 1, 9, 9)}"),
     Loads({"a.png": (WIDTH, HEIGHT, [*OBJECTS, ("ant", [1, 1, 9, 9])])})),
]  # fmt: skip

NO_OBJECTS = {"a.png": (WIDTH, HEIGHT, [])}
FILES: list[Case] = [
    malformed("empty", "", "is not XML"),
    malformed("cut off", "<annotation>", "is not XML"),
    malformed("another closing tag", "<annotation></annotations>", "is not XML"),
    malformed("JSON", "{}", "is not XML"),
    malformed("HTML", "<html></html>", "expected the element <annotation>, but got <html>"),
    malformed("bytes", b"\x00\x01\x02", "is not XML"),
    malformed("not the encoding it states", b'<?xml version="1.0" encoding="utf-8"?><annotation>\xe4</annotation>',
              "is not XML"),
    malformed("an unknown encoding", b'<?xml version="1.0" encoding="klingon"?><annotation/>', "is not XML"),
    malformed("an encoding that is not read", b'<?xml version="1.0" encoding="johab"?><annotation/>', "is not XML"),
    malformed("bytes of no Chinese", b'<?xml encoding="gb2312"?><annotation>\xff</annotation>', "is not XML"),
    malformed("a billion laughs", BILLION_LAUGHS, "Entities"),
    malformed("another file by an entity", OTHER_FILE, "Entities"),
    malformed("no class", "<annotation><object></object></annotation>", "expected a <name> in object 1, but got none"),
    malformed("a blank class", "<annotation><object><name> </name></object></annotation>", "a <name> in object 1"),
    malformed("16 MiB of nothing", b"<annotation>" + b" " * (16 * 2**20) + b"</annotation>", "has 16777241 bytes"),
    ("deep nesting", content("<annotation>" + "<a>" * 100_000 + "</a>" * 100_000 + "</annotation>"), Loads(NO_OBJECTS)),
    ("a document type that lies elsewhere",
     content(f'<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/voc.dtd">{voc_xml(SAMPLES[0])}'), Loads()),
    ("Latin-1 that says so", in_latin_1,
     Loads({"a.png": (WIDTH, HEIGHT, [("K\u00e4fer", OBJECTS[0][1]), OBJECTS[1]])})),
    *((f"size {size[:40]!r}", content(f"<annotation>{size}</annotation>"), Loads(NO_OBJECTS)) for size in (
        "", "<size/>", "<size><width>0</width><height>0</height></size>",
        "<size><width>wide</width><height>30</height></size>")),
    ("the sides exchanged", content("<annotation><size><width>30</width><height>40</height></size></annotation>"),
     Refused("JPEGImages/a.png", "size-mismatch", "is 40 x 30, but was annotated as 30 x 40", opened=True)),
    ("the annotations are a link out of the folder", linked_out(FILE), Refused(FILE, "path-outside", "symbolic link")),
    ("an image of another name", image_renamed("other.PNG"),
     Loads({"a.png": None, "other.PNG": GOOD["a.png"]})),
    ("a name that leads out", image_renamed("../../secret.png"), Refused(FILE, "path-outside", "leads out")),
    ("no image", image_removed, Refused(FILE, "missing-image", "there is no image 'a'")),
]  # fmt: skip

LISTS: list[Case] = [
    ("a listed image without annotations", content("a\nb\nc\ngone\n", LIST),
     Refused("Annotations/gone.xml", "missing-annotations")),
    ("NUL in a list", content("a\nb\nc\nx\0y\n", LIST), Refused("Annotations/x\0y.xml", "missing-annotations")),
    ("a list that leads out", content("a\nb\nc\n../../../etc/hostname\n", LIST),
     Refused("Annotations/../../../etc/hostname.xml", "path-outside", "leads out")),
    ("a list of absolute names", content("a\nb\nc\n/etc/hostname\n", LIST),
     Refused("Annotations//etc/hostname.xml", "missing-annotations")),
    ("a list in Latin-1", content("K\u00e4fer\n".encode("latin-1"), LIST),
     Refused(LIST, "malformed-annotations", "is not text in UTF-8")),
    ("a list that is a link out of the folder", linked_out(LIST), Refused(LIST, "path-outside", "symbolic link")),
    ("a name in two spellings", two_spellings,
     Loads({"a.png": None, unicodedata.normalize("NFD", "K\u00e4fer \u7532\u866b.png"): GOOD["a.png"]})),
    ("a name of bytes that are no text", bytes_that_are_no_text,
     Refused(LIST, "malformed-annotations", "is not text in UTF-8")),
    ("lines of Windows, and blank ones", content("a\r\n\r\n  b  \r\nc", LIST), Loads()),
]  # fmt: skip

CASES = [*BOXES, *FILES, *LISTS]
