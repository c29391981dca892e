"""CVAT's XML and the JSON of labelme and VIA, read through the converter globox (`torchghm[formats]`).

Its boxes are taken like those of any other reader: names are looked up in the data folder alone, and corners are judged
together.
"""

from __future__ import annotations

import posixpath

from torchghm.data.assumptions import Assumptions
from torchghm.data.folders.file_names import loose_name, with_slashes
from torchghm.data.folders.finding import FoundFiles
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError, Problem, examples, per_file, reported
from torchghm.data.reading.coco.places import alike, image_folders, may_be_of
from torchghm.data.reading.foreign.converted_files import Annotated, Box, read_file
from torchghm.data.reading.foreign.converted_places import annotation_files, further_files, is_beside, split_of_file
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.split_names import split_of
from torchghm.data.splitting.splits import in_split_order

_BOXES = ("xyxy", "pixels")


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
    files = annotation_files(layout, folder)
    further = further_files(layout, folder)
    for file in (*files, *further):
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
        for label, _, _ in image.boxes
        if isinstance(label, str)
    }
    classes = tuple(sorted(found - {""}))
    splits = {}
    for split, places in by_split.items():
        images = _SplitImages(folder, layout, split, classes, Annotations(folder.root, "object", _BOXES, assumptions))
        images.further = frozenset(further if files else ())
        for place, of_place in places.items():
            images.add(place, of_place, problems)
        images.report(problems)
        splits[split] = images.annotations.remaining(images.annotations.records(problems))
    return classes, in_split_order(splits)


class _SplitImages:
    """The images and objects of a split, from any number of annotation files."""

    def __init__(
        self, folder: DataFolder, layout: str, split: str, classes: tuple[str, ...], annotations: Annotations
    ) -> None:
        self.folder, self.layout, self.split, self.annotations = folder, layout, split, annotations
        self.label_of = {name: number for number, name in enumerate(classes)}
        self.by_image: dict[str, tuple[int, str, list[Box]]] = {}
        self.found: dict[str, list[tuple[str, str]]] = {}
        self.further: frozenset[str] = frozenset()
        self._by_stem: dict[str, dict[str, list[str]]] = {}

    def add(self, place: str, images: list[tuple[str, Annotated]], problems: list[Problem]) -> None:
        """Add the images that the annotation files of one folder describe."""
        folder, split = self.folder, self.split
        called_so = [each for each in folder.tree() if place and posixpath.basename(each) == posixpath.basename(place)]
        called_so = [] if folder.holds(place) else called_so
        beside = (place, posixpath.join(place, "images"), *called_so)
        starts = tuple(dict.fromkeys((*beside, *image_folders(folder, split), "")))
        if self.layout == "labelme":
            images = [(file, image._replace(name=self._own_name(file, image.name, starts))) for file, image in images]
        names = [image.name for _, image in images if isinstance(image.name, str)]
        equals = alike(folder, split, images[0][0])
        found = FoundFiles(folder, names, starts, self._is_of_split, equals)
        of_further = {image.name for file, image in images if file in self.further}
        found.missing = [name for name in found.missing if name not in of_further]
        found.report(images[0][0], f"of {split!r}", problems)
        for file, image in images:
            with reported(problems, file):
                if not isinstance(image.name, str):
                    raise FileError(f"expected the name of an image, but got {type(image.name).__name__}")
                path = found.by_name.get(image.name)
                if path is not None:
                    self._add_image(path, file, image)
                elif file in self.further:
                    self._note("unlisted-annotations", file, f"is of {image.name}, which is not there")

    def report(self, problems: list[Problem]) -> None:
        """Report what is wrong with names, and images that several files describe."""
        problems += [per_file(what, of_kind) for what, of_kind in self.found.items()]

    def _note(self, kind: str, file: str, words: str) -> None:
        self.found.setdefault(kind, []).append((file, words))

    def _is_of_split(self, name: str) -> bool:
        return may_be_of(self.split, posixpath.dirname(name))

    def _own_name(self, file: str, stated: object, starts: tuple[str, ...]) -> object:
        """Return the name of labelme's image: files are copied and renamed, and `imagePath` is left as it was."""
        stem = _stem(file)
        if not isinstance(stated, str) or _stem(stated) == stem:
            return stated
        own = self._images_called(stem, posixpath.dirname(file))
        try:
            there = any(self.folder.file(stated, start) for start in starts)
            there = there or self.folder.named(stated, starts, self._is_of_split)[0] is not None
        except FileError:
            there = False
        if not own and not there:
            own = [image for start in dict.fromkeys(starts) for image in self._images_called(stem, start)]
        if len(own) != 1:
            return stated
        kind = "other-filename" if there else "file-by-other-name"
        self._note(kind, file, f"is of {own[0]}, though imagePath is {stated}")
        return posixpath.relpath(own[0], posixpath.dirname(file) or ".")

    def _images_called(self, stem: str, place: str) -> list[str]:
        if place not in self._by_stem:
            by_stem = self._by_stem.setdefault(place, {})
            for image in self.folder.files(place, SUFFIXES):
                by_stem.setdefault(_stem(image), []).append(image)
        return self._by_stem[place].get(stem, [])

    def _add_image(self, path: str, file: str, image: Annotated) -> None:
        if path not in self.by_image:
            index = self.annotations.add_image(path, file, len(self.by_image) + 1, *image.sides)
            self.by_image[path] = (index, file, [])
        index, first, boxes = self.by_image[path]
        if first != file:
            differ = boxes and image.boxes and sorted(boxes, key=str) != sorted(image.boxes, key=str)
            kind = "duplicate-annotations" if differ else "repeated-image"
            self._note("unlisted-annotations" if file in self.further else kind, file, f"is of {path}, as is {first}")
            if boxes or file in self.further:
                return
        elif file in self.further and is_beside(file):
            self._note("labels-elsewhere", file, f"is of {path}")
        boxes += image.boxes
        for number, (label, corners, difficult) in enumerate(image.boxes, start=1):
            if not isinstance(label, str) or label.strip() not in self.label_of:
                raise FileError(f"expected a name as the class of object {number}, but got {label!r}")
            self.annotations.add_box(index, corners, self.label_of[label.strip()], number, crowd=difficult)


def _stem(file: str) -> str:
    return loose_name(posixpath.splitext(posixpath.basename(with_slashes(file)))[0])
