"""CVAT's XML and the JSON of labelme and VIA, read through the converter globox (`torchghm[formats]`).

Its boxes are taken like those of any other reader: names are looked up in the data folder alone, and corners are judged
together.
"""

from __future__ import annotations

import posixpath

from torchghm.data.assumptions import Assumptions
from torchghm.data.folders.finding import FoundFiles
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples, reported
from torchghm.data.reading.coco_places import alike, image_folders, may_be_of
from torchghm.data.reading.foreign.converted_files import Annotated, read_file
from torchghm.data.reading.foreign.converted_places import annotation_files, split_of_file
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.split_names import split_of
from torchghm.data.splitting.splits import in_split_order


def read_converted(
    layout: str, folder: DataFolder, assumptions: Assumptions, problems: list[Problem]
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes (in alphabetical order) and splits of a folder; what is wrong joins the problems.

    Arguments:
        layout: "cvat", "labelme" or "via".
        folder: the data.
        assumptions: what the user says.
        problems: so far.
    """
    by_split: dict[str, dict[str, list[tuple[str, Annotated]]]] = {}
    for file in annotation_files(layout, folder):
        with reported(problems, file):
            for image in read_file(layout, folder, file, problems):
                split = split_of(image.split) or image.split or split_of_file(layout, file)
                place = posixpath.dirname(file)
                by_split.setdefault(split, {}).setdefault(place, []).append((file, image))
    if len(by_split) > 1 and "all" in by_split:
        unread = [file for of_place in by_split.pop("all").values() for file, _ in of_place]
        problems.append(Problem(".", "unlisted-annotations", f"{len(unread)} images: {examples(unread)}", len(unread)))
    found = {
        label.strip()
        for places in by_split.values()
        for of_place in places.values()
        for _, image in of_place
        for label, _ in image.boxes
        if isinstance(label, str)
    }
    classes = tuple(sorted(found - {""}))
    splits = {}
    for split, places in by_split.items():
        annotations = Annotations(folder.root, "object", ("xyxy", "pixels"), assumptions)
        for place, images in places.items():
            _add(folder, split, place, images, classes, annotations, problems)
        records = annotations.records(problems)
        splits[split] = annotations.remaining(records)
    return classes, in_split_order(splits)


def _add(
    folder: DataFolder,
    split: str,
    place: str,
    images: list[tuple[str, Annotated]],
    classes: tuple[str, ...],
    annotations: Annotations,
    problems: list[Problem],
) -> None:
    """Add the images that the annotation files of one folder describe."""
    label_of = {name: number for number, name in enumerate(classes)}
    starts = tuple(dict.fromkeys((place, posixpath.join(place, "images"), *image_folders(folder, split), "")))
    names = [image.name for _, image in images if isinstance(image.name, str)]
    equals = alike(folder, split, images[0][0])
    found = FoundFiles(folder, names, starts, lambda name: may_be_of(split, posixpath.dirname(name)), equals)
    found.report(images[0][0], f"of {split!r}", problems)
    indices = {name: index for index, name in enumerate(annotations.names)}
    for file, image in images:
        with reported(problems, file):
            if not isinstance(image.name, str):
                raise FileError(f"expected the name of an image, but got {type(image.name).__name__}")
            path = found.by_name.get(image.name)
            if path is None:
                continue
            if path not in indices:
                indices[path] = annotations.add_image(path, file, len(indices) + 1, *image.sides)
            for number, (label, corners) in enumerate(image.boxes, start=1):
                if not isinstance(label, str) or label.strip() not in label_of:
                    raise FileError(f"expected a name as the class of object {number}, but got {label!r}")
                annotations.add_box(indices[path], corners, label_of[label.strip()], number)
