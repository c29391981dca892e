"""YOLO: `data.yaml` with the splits and class names, and for each image a text file of objects.

An object is a line `class x y width height`, with the box's centre and size as fractions of the image's sides, or
`class x1 y1 x2 y2 x3 y3 ...`, a polygon, of which the enclosing box is taken. Where `data.yaml` has a `kpt_shape`, the
box is followed by key points, which are left out.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from reprlib import repr as brief
from typing import Any

import yaml

from torchghm.data.folder import DataFolder, normal_name
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError, Problem, examples, reported
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splits import SPLIT_NAMES, in_split_order

SETTINGS_FILES = ("data.yaml", "data.yml", "dataset.yaml")
LOOKED_FOR = "data.yaml"
LARGEST_SETTINGS = 2**19  # the parser takes some ten seconds for that
LARGEST_LABELS = 16 * 2**20
LARGEST_LIST = 256 * 2**20
# Coordinates of rounded boxes may exceed 0..1 by this; anything more is not a fraction of the image.
TOLERANCE = 0.01


def yolo_settings(folder: DataFolder) -> str | None:
    """Return the settings file of a YOLO folder, None if there is none."""
    return next((file for name in SETTINGS_FILES if (file := folder.file(name))), None)


def read_yolo(folder: DataFolder, problems: list[Problem]) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes and splits of a YOLO folder; what is wrong joins the problems.

    An image without a label file has no objects.
    """
    file = yolo_settings(folder) or LOOKED_FOR
    settings: dict[str, Any] = {}
    classes: tuple[str, ...] = ()
    with reported(problems, file):
        parsed = _parse(folder.read_text(file, LARGEST_SETTINGS))
        classes, settings = _classes(parsed), parsed
    annotations = Annotations(folder.root, unit="line", normalised=True)
    key_points = 0
    with reported(problems, file):
        key_points = _key_points(settings)
    indices: dict[str, int] = {}
    splits: dict[str, list[int]] = {}
    for key, places in settings.items():
        if (split := SPLIT_NAMES.get(key)) is None or not places:
            continue
        images: list[str] = []
        if split in splits:
            problems.append(Problem(file, "duplicate-split", f"{key!r} is a second list of {split!r}"))
        with reported(problems, file):
            images = _split_images(folder, file, key, places, settings.get("path", ""), problems)
        for image in (image for image in images if image not in indices):
            indices[image] = annotations.add_image(image, _label_file(image), len(indices) + 1)
            with reported(problems, _label_file(image)):
                _read_labels(folder, indices[image], len(classes), key_points, annotations, problems)
        splits[split] = [indices[image] for image in images]
    _report_orphans(folder, indices, problems)
    if not splits and not problems:
        problems.append(Problem(file, "malformed-annotations", "expected images under the key 'train', got none"))
    records = annotations.records(problems)
    return classes, in_split_order({split: records.take(images) for split, images in splits.items()})


def _parse(content: str) -> dict[str, Any]:
    try:
        # The loader that builds nothing but text, lists and mappings: a class called `no` stays one.
        settings = yaml.load(content, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:  # the latter of \U00110000 and longer
        raise FileError(f"is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise FileError(f"expected the keys train, val and names, got {type(settings).__name__}")
    return settings


def _classes(settings: dict[str, Any]) -> tuple[str, ...]:
    names = settings.get("names")
    if isinstance(names, dict):
        if set(names) != {str(number) for number in range(len(names))}:
            raise FileError("expected the numbers 0, 1, 2, ... as keys under 'names'")
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise FileError("expected a list of class names under the key 'names'")
    if len(set(names)) < len(names):
        raise FileError("expected different class names under the key 'names', got one of them twice")
    stated = settings.get("nc", str(len(names)))
    if stated != str(len(names)):
        raise FileError(f"expected {len(names)}, the number of 'names', under the key 'nc', got {brief(stated)}")
    return tuple(names)


def _key_points(settings: dict[str, Any]) -> int:
    """Return how many numbers follow the box on a line of a pose data set, 0 for any other."""
    shape = settings.get("kpt_shape")
    if shape is None:
        return 0
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or not all(str(side).isascii() and str(side).isdigit() for side in shape)
    ):
        raise FileError(f"expected two whole numbers under the key 'kpt_shape', got {brief(shape)}")
    return int(shape[0]) * int(shape[1])


def _split_images(
    folder: DataFolder, file: str, key: str, places: object, base: object, problems: list[Problem]
) -> list[str]:
    """Return the image files of a split: of a folder, of a list of images, or of several of these."""
    places = [places] if isinstance(places, str) else places
    if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
        raise FileError(f"expected a folder, a file or a list of them under the key {key!r}")
    images: list[str] = []
    missing, outside = [], []
    for place in places:
        inner, names = _place(folder, place, base if isinstance(base, str) else "", key)
        for name in names:
            try:
                image = folder.file(name, inner) or folder.file(name)
            except FileError as error:
                outside.append(str(error))
                continue
            if image is None:
                missing.append(repr(name))
            else:
                images.append(image)
    for what, found in (("path-outside", outside), ("missing-image", missing)):
        if found:
            problems.append(Problem(file, what, f"{len(found)} of {key!r}: {examples(found)}", len(found)))
    return images


def _place(folder: DataFolder, place: str, base: str, key: str) -> tuple[str, list[str]]:
    """Return the names of the images that one entry of a split stands for, and the folder they start from."""
    # The folder that settings name was where their writer had it, and a common exporter writes "../train/images"
    # for "train/images": only what lies in the data folder is taken.
    outside: FileError | None = None
    for candidate in (posixpath.join(base, place), place, place.removeprefix("../")):
        try:
            inner, listed, outside = folder.folder(candidate), folder.file(candidate), None
        except FileError as error:
            outside = error
            continue
        if inner is not None:
            return "", folder.files(inner, SUFFIXES, recursive=True)
        if listed is not None:
            lines = folder.read_text(listed, LARGEST_LIST).splitlines()
            return posixpath.dirname(listed), [line.strip() for line in lines if line.strip()]
    if outside is not None:
        raise FileError(f"under {key!r}: {outside}", outside.what)
    raise FileError(f"expected a folder or a list of images in the data folder under {key!r}, got {place!r}")


def _label_file(image: str) -> str:
    """Return where an image's labels are: `images/a/1.jpg` has `labels/a/1.txt`."""
    parts = posixpath.splitext(image)[0].split("/")
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[:-1][::-1].index("images")
        parts[last] = "labels"
    return "/".join(parts) + ".txt"


def _report_orphans(folder: DataFolder, images: Iterable[str], problems: list[Problem]) -> None:
    """Report label files without an image, in the folders that hold the labels of images."""
    places = {posixpath.dirname(_label_file(image)): posixpath.dirname(image) for image in images}
    for labels, pictures in places.items():
        known = {_stem(image) for image in folder.files(pictures, SUFFIXES)} | {"classes"}  # which labelling tools add
        orphans = [file for file in folder.files(labels, (".txt",)) if labels != pictures and _stem(file) not in known]
        if orphans:
            found = f"{len(orphans)} files: {examples(posixpath.basename(file) for file in orphans)}"
            problems.append(Problem(labels, "annotation-without-image", found, len(orphans)))


def _stem(file: str) -> str:
    return normal_name(posixpath.splitext(posixpath.basename(file))[0])


def _read_labels(
    folder: DataFolder, image: int, classes: int, key_points: int, annotations: Annotations, problems: list[Problem]
) -> None:
    source = annotations.sources[image]
    faults: dict[str, list[str]] = {"unknown-category": [], "box-malformed": [], "box-not-normalised": []}
    content = folder.read_text(source, LARGEST_LABELS) if folder.file(source) else ""
    for number, line in enumerate(content.splitlines(), start=1):
        values = _numbers(line)
        if values == []:
            continue
        if key_points and values is not None and len(values) == 5 + key_points:
            del values[5:]
        is_polygon = values is not None and not key_points and len(values) >= 7 and len(values) % 2
        if values is None or not (len(values) == 5 or is_polygon):
            faults["box-malformed"].append(f"line {number}")
        elif values[0] not in range(classes):
            faults["unknown-category"].append(f"line {number} has class {line.split()[0][:20]} of {classes}")
        elif any(not -TOLERANCE <= value <= 1 + TOLERANCE for value in values[1:] if value == value):
            faults["box-not-normalised"].append(f"line {number}")
        else:
            annotations.add_box(image, _corners(values[1:]), int(values[0]), number)
    for what, found in faults.items():
        if found:
            problems.append(Problem(source, what, f"{len(found)}: {examples(found)}", len(found)))


def _numbers(line: str) -> list[float] | None:
    if "_" in line:  # Python would take 1_0 for 10
        return None
    try:
        return [float(text) for text in line.split()]
    except ValueError:
        return None


def _corners(values: list[float]) -> tuple[float, float, float, float]:
    """Return x1, y1, x2, y2 of a box or a polygon, as fractions like these."""
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2])
