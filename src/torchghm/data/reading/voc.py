"""Pascal VOC: an XML file of objects for each image, in `Annotations/` or beside the images."""

from __future__ import annotations

import posixpath
import re
from array import array
from itertools import chain
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from torchghm.data.assumptions import Assumptions
from torchghm.data.evidence.class_codes import names_of
from torchghm.data.folders.folder import DataFolder, is_there
from torchghm.data.problems import FileError, Problem, examples, per_file, reported
from torchghm.data.reading.voc_places import VocFiles
from torchghm.data.records import Records
from torchghm.data.repairing.annotation_columns import incomplete
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.splits import in_split_order, listed_once
from torchghm.data.writing.kept import KEPT_FILE, read_kept

LARGEST_XML = 16 * 2**20
CORNERS = ("xmin", "ymin", "xmax", "ymax")
USUAL = frozenset(("object", "folder", "filename", "path", "source", "size", "segmented", "owner"))
"""Elements in <annotation>."""

ENCODINGS = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), "gb18030"),
    **{name: name for name in ("big5", "shift_jis", "euc-jp", "euc-kr")},
}
"""Encodings by what XML calls them."""

Object = tuple[str, list[float | None], bool]
"""Name, corners, and whether it is difficult."""
Found = dict[str, list[tuple[str, str]]]
"""Kind of problem, and of each object that has it the file and words."""


def read_voc(
    folder: DataFolder, assumptions: Assumptions, problems: list[Problem]
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes (in alphabetical order) and splits of a VOC folder; what is wrong joins the problems.

    Coordinates are taken as they stand: VOC itself counts pixels from 1, the tools that write its format today
    from 0. Objects marked `difficult` are kept apart like COCO's crowds: neither learned nor counted as misses.
    """
    annotations = Annotations(folder.root, "object", ("xyxy", "pixels"), assumptions)
    classes: dict[str, int] = {}
    files = VocFiles(folder)
    splits = {split: listed_once(split, of_split, problems) for split, of_split in files.splits(problems).items()}
    _leave_out_absent(folder, splits, problems)
    order: list[str] = []
    ids: dict[str, int] = {}
    with reported(problems, KEPT_FILE):
        order, ids = read_kept(folder)
    # Every image is read once, however many splits list it.
    images = _Images(folder, files, annotations, classes)
    indices: dict[str, int] = {}
    for file in dict.fromkeys(chain.from_iterable(splits.values())):
        with reported(problems, file):
            if (index := images.read(file, problems)) is not None:
                indices[file] = index
    problems += [per_file(what, of_kind, "objects") for what, of_kind in images.found.items()]
    annotations.image_ids = array("q", (ids.get(name, at) for at, name in enumerate(annotations.names, start=1)))
    named = names_of(folder, classes, problems)
    names = order if set(named.values()) <= set(order) else sorted(set(named.values()))
    rank = {classes[name]: names.index(own) for name, own in named.items()}
    annotations.labels = array("q", (rank[label] for label in annotations.labels))
    records = annotations.records(problems)
    of_split = {
        split: records.take(annotations.taken(list(dict.fromkeys(indices[f] for f in listed if f in indices))))
        for split, listed in splits.items()
    }
    return tuple(names), in_split_order(of_split)


def _leave_out_absent(folder: DataFolder, splits: dict[str, list[str]], problems: list[Problem]) -> None:
    """Leave out a split for testing none of whose files is there: it refuses itself, not the others."""
    for split in [split for split in splits if split not in ("train", "val", "trainval", "all")]:
        listed = splits[split]
        if listed and len(splits) > 1 and not any(is_there(folder, file) for file in listed):
            del splits[split]
            detail = f"none of the {len(listed)} files of {split!r} is there: {examples(listed)}"
            problems.append(Problem(split, "absent-split", detail))


class _Images:
    """The images that XML files describe.

    Arguments:
        folder: the data.
        files: its XML files and images.
        annotations: they join these.
        classes: numbers by name, which new names join.

    Attributes:
        found: what is wrong with objects, by kind.
    """

    def __init__(self, folder: DataFolder, files: VocFiles, annotations: Annotations, classes: dict[str, int]) -> None:
        self.folder, self.files, self.annotations, self.classes = folder, files, annotations, classes
        self.found: Found = {}
        self._read: dict[str, tuple[int, str, list[Object]]] = {}

    def read(self, file: str, problems: list[Problem]) -> int | None:
        """Add an image and its objects and return its index; None of a file in a further folder, of no new image.

        Raises:
            FileError: the file or its image is not there, or cannot be used.
        """
        there = self.folder.file(file)
        if there is None:
            raise FileError("does not exist, but a split lists it", "missing-annotations")
        root = _parse(self.folder.read(there, LARGEST_XML))
        image = self.files.image(there, root.findtext("filename"), problems)
        further = posixpath.dirname(there) in self.files.further
        if image is None and further:
            self.found.setdefault("unlisted-annotations", []).append((there, "is of no image"))
            return None
        if image is None:
            stem = file.rpartition("/")[2][: -len(".xml")]
            raise FileError(
                f"there is no image {stem!r} in {' or '.join(self.files.image_places()[:4])}", "missing-image"
            )
        objects = [self._object(there, number, item) for number, item in enumerate(_objects(root), start=1)]
        if image not in self._read:
            size = [_number(root.findtext(f"size/{side}"))[0] for side in ("width", "height")]
            index = self.annotations.add_image(image, there, len(self.annotations.names) + 1, *size)
            self._read[image] = (index, there, [])
        index, first, known = self._read[image]
        if first != there:
            differ = known and objects and sorted(known, key=str) != sorted(objects, key=str)
            kind = "duplicate-annotations" if differ else "repeated-image"
            kind = "unlisted-annotations" if further else kind
            self.found.setdefault(kind, []).append((there, f"is of {image}, as is {first}"))
            if further:
                return None
        elif posixpath.dirname(there) in self.files.beside:
            self.found.setdefault("labels-elsewhere", []).append((there, f"is of {image}"))
        if not known:
            known += objects
            for number, (name, corners, difficult) in enumerate(objects, start=1):
                self._add(index, number, name, corners, difficult)
        return index

    def _object(self, file: str, number: int, item: Element) -> Object:
        name = (item.findtext("name") or "").strip()
        if not name:
            raise FileError(f"expected a <name> in object {number}, but got none")
        corners, what, words = _corners(item)
        if what:
            self.found.setdefault(what, []).append((file, f"object {number}{words}"))
        return name, corners, (item.findtext("difficult") or "").strip().casefold() in ("1", "true")

    def _add(self, index: int, number: int, name: str, corners: list[float | None], difficult: bool) -> None:
        if all(corner is None for corner in corners):
            self.annotations.add_lost(index)
            return
        label = self.classes.setdefault(name, len(self.classes))
        partly = None in corners
        self.annotations.add_box(index, incomplete(corners), label, number, crowd=difficult, partly=partly)


def _objects(root: Element) -> list[Element]:
    """Return the objects of an image.

    Raises:
        FileError: an object that is called or placed otherwise, or is rotated, and would become background.
    """
    objects = root.findall("object")
    for item in root:
        if item.tag not in USUAL and any(inner.tag.casefold() in ("bndbox", "object") for inner in item.iter()):
            raise FileError(f"expected objects as <object> in <annotation>, but got some in <{item.tag}>")
    if turned := sum(1 for item in objects if item.find("robndbox") is not None):
        raise FileError(f"{turned} of {len(objects)}: {turned} of 'robndbox'", "shapes-not-read")
    # LabelMe's web tool keeps what was struck off.
    return [item for item in objects if (item.findtext("deleted") or "").strip() != "1"]


def _corners(item: Element) -> tuple[list[float | None], str, str]:
    """Return the corners of an object, None for each that is not known, and the kind of problem that it has, if any."""
    boxes = item.findall("bndbox")
    if len(boxes) > 1:
        raise FileError(f"expected one <bndbox> in each object, but got {len(boxes)} in one")
    if not boxes:
        around = _around_polygon(item)
        if around is not None:
            return list(around), "box-from-mask", ""
        return [None] * 4, "box-missing", " has no <bndbox>"
    texts = [boxes[0].findtext(corner) for corner in CORNERS]
    read = [_number(text) for text in texts]
    corners = [value for value, _ in read]
    if None in corners:
        shown = ", ".join(
            f"{corner} {'is missing' if text is None else f'is {text.strip()[:20]!r}'}"
            for corner, text, value in zip(CORNERS, texts, corners, strict=True)
            if value is None
        )
        absent = all(
            text is None or not text.strip() for text, value in zip(texts, corners, strict=True) if value is None
        )
        return corners, "box-incomplete" if absent else "box-not-numbers", f": {shown}"
    if any(repaired for _, repaired in read):
        return corners, "box-in-other-form", f" has {texts[0]!r}"
    return corners, "", ""


def _around_polygon(item: Element) -> tuple[float, float, float, float] | None:
    """Return the corners of the box around a <polygon> of <x1>, <y1>, ... or of <pt><x/><y/></pt>."""
    polygon = item.find("polygon")
    if polygon is None:
        return None
    xs, ys = (
        [_number(element.text)[0] for element in polygon.iter() if re.fullmatch(rf"{axis}\d*", element.tag)]
        for axis in "xy"
    )
    known_xs, known_ys = ([value for value in values if value is not None] for values in (xs, ys))
    if len(known_xs) < 3 or len(known_xs) != len(xs) or len(known_ys) != len(xs) or len(ys) != len(xs):
        return None
    return min(known_xs), min(known_ys), max(known_xs), max(known_ys)


def _parse(content: bytes) -> Element:
    try:
        # Refuses entities: a few lines of them can stand for gigabytes, or for another file.
        root = fromstring(_known(content))
    except (ParseError, ValueError, LookupError) as error:
        raise FileError(f"is not XML that can be read: {error}") from error
    if root.tag != "annotation":
        raise FileError(f"expected the element <annotation>, but got <{root.tag}>")
    return root


def _known(content: bytes) -> bytes:
    """Return XML in UTF-8 where it declares an encoding that the parser does not know, of several bytes a character."""
    declared = re.match(rb"\s*<\?xml[^>]*encoding=[\"']([\w-]+)[\"'][^>]*>", content)
    encoding = ENCODINGS.get(declared[1].decode().casefold()) if declared else None
    return content[declared.end() :].decode(encoding).encode() if declared and encoding else content


def _number(text: str | None) -> tuple[float | None, bool]:
    """Return the number that a text is, None if it is none, and whether it has a comma for its point."""
    if text is None or "_" in text:  # Python would take 1_0 for 10
        return None, False
    try:
        return float(text), False
    except ValueError:
        repaired = re.fullmatch(r"\s*-?\d+,\d+\s*", text) is not None
        return (float(text.replace(",", ".")), True) if repaired else (None, False)
