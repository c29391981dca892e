"""Pascal VOC: `Annotations/*.xml`, `JPEGImages/`, `ImageSets/Main/<split>.txt`."""

from __future__ import annotations

import posixpath
from array import array
from itertools import chain
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from torchghm.data.folder import DataFolder, normal_name
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError, Problem, examples, reported
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splits import SPLIT_NAMES, in_split_order

LOOKED_FOR = "Annotations/ and JPEGImages/"
LARGEST_XML = 16 * 2**20
LARGEST_LIST = 256 * 2**20


def is_voc(folder: DataFolder) -> bool:
    """Whether the folder has VOC's two folders."""
    return folder.folder("Annotations") is not None and folder.folder("JPEGImages") is not None


def read_voc(folder: DataFolder, problems: list[Problem]) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes (in alphabetical order) and splits of a VOC folder; what is wrong joins the problems.

    Coordinates are taken as they stand: VOC itself counts pixels from 1, the tools that write its format today
    from 0. Objects marked `difficult` are kept apart like COCO's crowds: neither learned nor counted as misses.
    """
    annotations = Annotations(folder.root, unit="object")
    classes: dict[str, int] = {}
    splits = _split_lists(folder, problems)
    # Every image is read once, however many splits list it.
    indices: dict[str, int] = {}
    for stem in dict.fromkeys(chain.from_iterable(splits.values())):
        with reported(problems, f"Annotations/{stem}.xml"):
            indices[stem] = _read_image(folder, stem, classes, annotations, problems)
    names = sorted(classes)
    rank = {classes[name]: position for position, name in enumerate(names)}
    annotations.labels = array("q", (rank[label] for label in annotations.labels))
    records = annotations.records(problems)
    of_split = {
        split: records.take([indices[stem] for stem in stems if stem in indices]) for split, stems in splits.items()
    }
    return tuple(names), in_split_order(of_split)


def _split_lists(folder: DataFolder, problems: list[Problem]) -> dict[str, list[str]]:
    """Return the names of each split's images, without suffix; all images if there are no lists."""
    lists = {}
    for file in folder.files("ImageSets/Main", (".txt",)):
        # VOC also has lists for each class ("dog_train.txt"): these are no splits.
        split = SPLIT_NAMES.get(posixpath.splitext(posixpath.basename(file))[0])
        if split is None:
            continue
        with reported(problems, file):
            if split in lists:
                raise FileError(f"is a second list of {split!r}", "duplicate-split")
            lines = folder.read_text(file, LARGEST_LIST).splitlines()
            lists[split] = [line.strip() for line in lines if line.strip()]
    if not lists and any(problem.fatal for problem in problems):
        return lists
    stems = [posixpath.splitext(posixpath.basename(file))[0] for file in folder.files("Annotations", (".xml",))]
    if not lists:
        return {"all": stems}
    listed = {normal_name(stem) for stem in chain.from_iterable(lists.values())}
    # Names that begin with a dot are what a Mac leaves beside its files.
    if unlisted := [stem for stem in stems if normal_name(stem) not in listed and not stem.startswith(".")]:
        detail = f"{len(unlisted)} files: {examples(f'{stem}.xml' for stem in unlisted)}"
        problems.append(Problem("Annotations", "unlisted-annotations", detail, len(unlisted)))
    return lists


def _read_image(
    folder: DataFolder, stem: str, classes: dict[str, int], annotations: Annotations, problems: list[Problem]
) -> int:
    """Add an image and its objects and return its index; new class names join the classes."""
    file = folder.file(f"{stem}.xml", "Annotations")
    if file is None:
        raise FileError("does not exist, but a split lists it", "missing-annotations")
    root = _parse(folder.read(file, LARGEST_XML))
    image = _image_file(folder, stem, root)
    if image is None:
        raise FileError(f"there is no image {stem!r} in JPEGImages/", "missing-image")
    size = [_number(root.findtext(f"size/{side}")) for side in ("width", "height")]
    index = annotations.add_image(image, file, len(annotations.names) + 1, *size)
    malformed = []
    for number, item in enumerate(root.findall("object"), start=1):
        name = (item.findtext("name") or "").strip()
        if not name:
            raise FileError(f"expected a <name> in object {number}, got none")
        corners = [_number(item.findtext(f"bndbox/{corner}")) for corner in ("xmin", "ymin", "xmax", "ymax")]
        box = [corner for corner in corners if corner is not None]
        if len(box) < 4:
            malformed.append(f"object {number}")
            continue
        difficult = (item.findtext("difficult") or "").strip() == "1"
        annotations.add_box(index, box, classes.setdefault(name, len(classes)), number, crowd=difficult)
    if malformed:
        problems.append(Problem(file, "box-malformed", f"{len(malformed)}: {examples(malformed)}", len(malformed)))
    return index


def _parse(content: bytes) -> Element:
    try:
        # Refuses entities: a few lines of them can stand for gigabytes, or for another file.
        root = fromstring(content)
    except (ParseError, ValueError, LookupError) as error:
        raise FileError(f"is not XML that can be read: {error}") from error
    if root.tag != "annotation":
        raise FileError(f"expected the element <annotation>, got <{root.tag}>")
    return root


def _image_file(folder: DataFolder, stem: str, root: Element) -> str | None:
    for suffix in (*SUFFIXES, *map(str.upper, SUFFIXES)):
        if image := folder.file(stem + suffix, "JPEGImages"):
            return image
    stated = root.findtext("filename")
    return folder.file(stated, "JPEGImages") if stated else None


def _number(text: str | None) -> float | None:
    if text is None or "_" in text:  # Python would take 1_0 for 10
        return None
    try:
        return float(text)
    except ValueError:
        return None
