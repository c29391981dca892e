"""One annotation file of CVAT, labelme or VIA, by the converter globox.

globox leaves out shapes that it does not know and the rotation of boxes, without a word, and expands entities. So files
are opened and parsed here, and the shapes that it would leave out are refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import nan
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples

LARGEST_FILE = 2**30
CLASS_KEYS = ("class", "label", "name", "type", "category", "object", "label_id", "class_name")
"""Attributes that VIA's users give the class of a region, where a region has several."""


Box = tuple[object, tuple[float, ...], bool]
"""Label, corners, and whether it is difficult."""


class Annotated(NamedTuple):
    """An image as an annotation file describes it.

    Attributes:
        name: of the image file, as it is written.
        split: that the file states, empty if it states none.
        sides: width and height, None where none is stated.
        boxes: what globox returned, a label and four corners each, and what the file says of how difficult they are.
        unread: shapes that globox does not read, by their kind.
        joined: shapes that are parts of an object with others.
    """

    name: object
    split: str
    sides: tuple[object, object]
    boxes: list[Box]
    unread: list[str]
    joined: int = 0


def read_file(layout: str, folder: DataFolder, file: str, problems: list[Problem]) -> list[Annotated]:
    """Return the images that an annotation file describes; shapes that are not read join the problems.

    Arguments:
        layout: "cvat", "labelme" or "via".
        folder: the data.
        file: relative to the root.
        problems: so far.

    Raises:
        FileError: the file or the converter's result cannot be used, or globox is not installed.
    """
    try:
        import globox  # noqa: F401
    except ImportError as error:
        raise FileError(
            f"is read by a package that is not installed: pip install 'torchghm[formats]' ({error})", "unusable-folder"
        ) from error
    read: dict[str, Callable[[DataFolder, str], list[Annotated]]] = {"cvat": _cvat, "labelme": _labelme, "via": _via}
    images = read[layout](folder, file)
    unread = [kind for image in images for kind in image.unread]
    if unread:
        kinds = examples(f"{unread.count(kind)} of {kind!r}" for kind in dict.fromkeys(unread))
        total = len(unread) + sum(len(image.boxes) for image in images)
        problems.append(Problem(file, "shapes-not-read", f"{len(unread)} of {total}: {kinds}", len(unread)))
    if joined := sum(image.joined for image in images):
        problems.append(Problem(file, "parts-joined", f"{joined} shapes have the group of another", joined))
    return images


def _cvat(folder: DataFolder, file: str) -> list[Annotated]:
    from globox import Annotation

    try:
        root = fromstring(folder.read(file, LARGEST_FILE))
    except (ParseError, ValueError, LookupError) as error:
        raise FileError(f"is not XML that can be read: {error}") from error
    if root.find("track") is not None:
        raise FileError("has the tracks of a video, which are not read: export CVAT for images, or COCO")
    images = []
    for node in root.iter("image"):
        shapes = [shape for shape in node if shape.tag != "tag"]
        turned = [shape for shape in shapes if shape.tag == "box" and _number(shape.get("rotation", 0))]
        others = [shape.tag for shape in shapes if shape.tag != "box"] + ["rotated box"] * len(turned)
        for shape in (*turned, *(shape for shape in shapes if shape.tag != "box")):
            node.remove(shape)
        with _named_failures():
            marks = [_is_marked(shape) for shape in node.iter("box")]
            found = zip(Annotation.from_cvat(node).boxes, marks, strict=True)
            boxes = [_plain(box, difficult) for box, difficult in found]
            sides = (node.get("width"), node.get("height"))
            images.append(Annotated(node.get("name"), node.get("subset", ""), sides, boxes, others))
    return images


def _labelme(folder: DataFolder, file: str) -> list[Annotated]:
    from globox import BoundingBox

    content = _json(folder, file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise FileError("expected labelme's keys 'shapes' and 'imagePath'")
    shapes = [shape if isinstance(shape, dict) else {} for shape in content["shapes"]]
    kinds = [str(shape.get("shape_type") or "polygon") for shape in shapes]  # labelme 3 had polygons alone
    read = [kind in ("rectangle", "polygon") for kind in kinds]
    with _named_failures():
        boxes = [
            _plain(BoundingBox.from_labelme(shape), shape.get("difficult") is True)  # X-AnyLabeling has it
            for shape, known in zip(shapes, read, strict=True)
            if known
        ]
    unread = [kind for kind, known in zip(kinds, read, strict=True) if not known]
    sides = (content.get("imageWidth"), content.get("imageHeight"))
    groups = [
        shape.get("group_id") if kind == "polygon" else None
        for shape, kind, known in zip(shapes, kinds, read, strict=True)
        if known
    ]
    objects = _joined(boxes, groups)
    return [Annotated(content.get("imagePath"), "", sides, objects, unread, len(boxes) - len(objects))]


def _joined(boxes: list[Box], groups: list[object]) -> list[Box]:
    """Return the boxes around the polygons of one class and group, as labelme's own converters take them."""
    if len(groups) > 2 and len(set(map(str, groups))) == 1:
        return boxes  # some scripts give one group to all shapes
    objects: dict[object, Box] = {}
    for number, ((label, corners, difficult), group) in enumerate(zip(boxes, groups, strict=True)):
        key = number if group is None else (str(label), str(group))
        if key in objects:
            pairs = list(zip(objects[key][1], corners, strict=True))
            corners = (*map(min, pairs[:2]), *map(max, pairs[2:]))
            difficult = difficult and objects[key][2]
        objects[key] = (label, corners, difficult)
    return list(objects.values())


def _via(folder: DataFolder, file: str) -> list[Annotated]:
    from globox import Annotation

    content = _json(folder, file)
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise FileError("expected an object with 'filename' and 'regions' for each image")
    regions = {}
    for key, entry in entries.items():
        listed = entry.get("regions")
        listed = list(listed.values()) if isinstance(listed, dict) else listed  # VIA 1 numbers them
        if not isinstance(listed, list) or not all(isinstance(region, dict) for region in listed):
            raise FileError(f"expected a list of 'regions' for {key!r}, but got {type(listed).__name__}")
        regions[key] = listed
    class_key = _class_key([region for listed in regions.values() for region in listed])
    images = []
    for key, entry in entries.items():
        with _named_failures():
            kinds = [region["shape_attributes"]["name"] for region in regions[key]]
            boxes = Annotation.from_via_json({**entry, "regions": regions[key]}, label_key=class_key).boxes
            unread = [str(kind) for kind in kinds if kind != "rect"]
            images.append(Annotated(entry["filename"], "", (None, None), list(map(_plain, boxes)), unread))
    return images


def _class_key(regions: list[dict[str, Any]]) -> str:
    """Return the attribute that names the classes: the only one of all regions, or one that is usually called so."""
    attributes = [region.get("region_attributes") for region in regions]
    if not all(isinstance(of_region, dict) and of_region for of_region in attributes):
        raise FileError("has regions without an attribute, so that nothing names their class")
    names = dict.fromkeys(name for of_region in attributes if of_region for name in of_region)
    of_all = [name for name in names if all(of_region and name in of_region for of_region in attributes)]
    usual = [name for name in of_all if name.casefold() in CLASS_KEYS]
    fitting = of_all if len(of_all) == 1 else usual
    if names and len(fitting) != 1:
        raise FileError(f"expected one attribute of all regions that names their class, but got {examples(names)}")
    return fitting[0] if fitting else CLASS_KEYS[0]


def _json(folder: DataFolder, file: str) -> Any:
    try:
        return json.loads(folder.read_text(file, LARGEST_FILE))
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"is not JSON: {error}") from error


@contextmanager
def _named_failures() -> Iterator[None]:
    """Turn whatever the converter raises into a `FileError`: on odd data it fails in many ways, assertions too."""
    try:
        yield
    except Exception as error:
        raise FileError(f"is refused by globox: {type(error).__name__}: {error}") from error


def _plain(box: Any, difficult: bool = False) -> Box:
    return box.label, tuple(float(corner) for corner in box.ltrb), difficult


def _is_marked(shape: Element) -> bool:
    """Return whether an attribute of a shape of CVAT says that it is difficult."""
    marks = [each.text for each in shape.iter("attribute") if (each.get("name") or "").casefold() == "difficult"]
    return any((text or "").strip().casefold() == "true" for text in marks)


def _number(text: object) -> float:
    """Return the number that a text is, NaN if it is none."""
    try:
        return float(str(text))
    except ValueError:
        return nan
