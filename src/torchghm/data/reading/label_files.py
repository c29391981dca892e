"""Find the label file of each image.

An empty file says that there is nothing to see, a missing one says nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from torchghm.data.folders.file_names import loose_name, without_id
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES, UNDECODED
from torchghm.data.problems import FileError, Problem, common_place, examples
from torchghm.data.splitting.split_names import OF_RUNS

LARGEST_LABELS = 16 * 2**20
HEAD = 4096
"""Bytes that tell whether a file has boxes."""
FEW = 0.05
"""Share of a split's images that may lack a label file before somebody has to say what that means."""
NOT_LABELS = ("classes", "obj", "labels", "train", "val", "valid", "test", "readme", "notes", "requirements", "license")
"""Text files that lie among label files and are none."""


class LabelFiles:
    """The label files of images.

    Arguments:
        folder: the data.
        images: files, relative to the root.

    Attributes:
        by_image: the label file of each image that has one.
        broken: of images whose label file may not be read: why.
    """

    def __init__(self, folder: DataFolder, images: Sequence[str]) -> None:
        self.folder = folder
        self.images = images
        self.by_image: dict[str, str] = {}
        self.broken: dict[str, FileError] = {}
        self._renamed: list[str] = []
        self._elsewhere: dict[str, str] = {}
        self._taken: set[str] = set()
        self._beside: dict[str, str] = {}
        self._behind_ids: dict[str, dict[str, list[str]]] = {}
        for image in images:
            self._look(image, folder.file)
        self._taken = set(self.by_image.values())  # by their usual names: no looser rule gives them to others
        missing = [image for image in images if image not in self.by_image and image not in self.broken]
        for image in missing:
            by_name = self._look(image, folder.loosely) or self._look(f"{image}.txt", folder.loosely, image)
            if by_name or self._look_past_ids(image):
                self._renamed.append(f"{self.by_image[image]} for {posixpath.basename(image)}")
        self._look_elsewhere([image for image in missing if image not in self.by_image])

    def missing(self, images: Sequence[str]) -> list[str]:
        """Return those of these images that have no label file."""
        return [image for image in images if image not in self.by_image and image not in self.broken]

    def report(self, problems: list[Problem]) -> None:
        """Say which label files have other names or places than usual, and which belong to no image."""
        if self._renamed:
            detail = f"{len(self._renamed)}: {examples(self._renamed)}"
            problems.append(
                Problem(common_place(self.by_image.values()), "file-by-other-name", detail, len(self._renamed))
            )
        if self._beside:
            shown = examples(f"{file}, not {empty}, which is empty" for empty, file in self._beside.items())
            detail = f"{len(self._beside)}: {shown}"
            problems.append(Problem(common_place(self._beside.values()), "labels-elsewhere", detail, len(self._beside)))
        for pictures, labels in self._elsewhere.items():
            count = sum(1 for image in self.images if posixpath.dirname(image) == pictures and image in self.by_image)
            usual = posixpath.dirname(usual_label_file(f"{pictures}/x")) or "."
            if usual == (labels or "."):
                problems.append(Problem(usual, "file-by-other-name", f"{count} images of {pictures or '.'}", count))
                continue
            detail = f"{count} images of {pictures or '.'} have their labels in {labels or '.'}, not in {usual}"
            problems.append(Problem(labels or ".", "labels-elsewhere", detail, count))
        by_label: dict[str, list[str]] = {}
        for image, file in self.by_image.items():
            by_label.setdefault(file, []).append(posixpath.basename(image))
        shared = [f"{' and '.join(names)} have {file}" for file, names in by_label.items() if len(names) > 1]
        if shared:
            problems.append(
                Problem(common_place(by_label), "shared-labels", f"{len(shared)}: {examples(shared)}", len(shared))
            )
        self._report_orphans({*by_label, *self._beside}, problems)

    def _look(self, name: str, lookup: Callable[[str], str | None], image: str = "") -> bool:
        """Look for the label file of an image, or of another name for it: some tools write a.jpg.txt for a.jpg."""
        image = image or name
        try:
            # `images/a.jpg` and `a.txt` may lie in one folder, too, even if that is called images.
            places = dict.fromkeys((usual_label_file(name), f"{posixpath.splitext(name)[0]}.txt"))
            found = [file for file in map(lookup, places) if file is not None and file not in self._taken]
            if found:
                self.by_image[image] = self._told(found)
                return True
        except FileError as error:
            self.broken[image] = error
        return False

    def _look_past_ids(self, image: str) -> bool:
        """Look for the only label file in the usual place whose name is that of the image behind an id."""
        place = posixpath.dirname(usual_label_file(image))
        if place not in self._behind_ids:
            by_stem = self._behind_ids.setdefault(place, {})
            for file in self.folder.files(place, (".txt",)):
                if without_id(file) != file and file not in self._taken:
                    by_stem.setdefault(_stem(without_id(file)), []).append(file)
        found = self._behind_ids[place].get(_stem(image), [])
        if len(found) == 1:
            self.by_image[image] = found[0]
        return len(found) == 1

    def _told(self, found: Sequence[str]) -> str:
        """Return the one of two label files of an image that counts: the usual one, unless the other alone has boxes.

        Raises:
            FileError: both have boxes, and not the same.
        """
        with_boxes = [file for file in found if _has_boxes(self.folder.head(file, HEAD))] if len(found) > 1 else []
        if len(with_boxes) > 1:
            lines = [sorted(self.folder.read_text(file, LARGEST_LABELS).split("\n")) for file in with_boxes]
            first, second = ([line.split() for line in each if line.strip()] for each in lines)
            if first != second:
                raise FileError(f"differs from {with_boxes[1]}, of the same image", "duplicate-annotations")
        if len(with_boxes) == 1 and with_boxes[0] != found[0] and not self.folder.head(found[0], HEAD).strip():
            self._beside[found[0]] = with_boxes[0]
            return with_boxes[0]
        return found[0]

    def _look_elsewhere(self, missing: Sequence[str]) -> None:
        """Find the labels of whole folders of images: where the usual place has none, the only other one is taken."""
        with_labels = {posixpath.dirname(image) for image in self.by_image}
        groups: dict[str, list[str]] = {}
        for image in missing:
            if posixpath.dirname(image) not in with_labels:
                groups.setdefault(posixpath.dirname(image), []).append(image)
        if not groups:
            return
        places: dict[str, dict[str, str]] = {}
        for folder, names in self.folder.tree().items():
            if set(folder.casefold().split("/")) & set(OF_RUNS):
                continue
            found = {_stem(name): posixpath.join(folder, name) for name in names if name.casefold().endswith(".txt")}
            if found:
                places[folder] = found
        chosen: dict[str, str] = {}
        for pictures, images in groups.items():
            counts = {
                folder: count
                for folder, found in places.items()
                if (count := sum(found.get(_stem(image), "") not in ("", *self._taken) for image in images))
            }
            best = max(counts.values(), default=0)
            if list(counts.values()).count(best) == 1 and 2 * best >= len(images):
                chosen[pictures] = next(folder for folder, count in counts.items() if count == best)
        stems = [(chosen[pictures], _stem(image)) for pictures in chosen for image in groups[pictures]]
        unclear = _repeated(stems)
        for pictures, folder in chosen.items():
            for image in groups[pictures]:
                file = places[folder].get(_stem(image))
                if file is not None and file not in self._taken and (folder, _stem(image)) not in unclear:
                    try:
                        self.by_image[image] = self.folder.file(file) or file
                    except FileError as error:
                        self.broken[image] = error
            self._elsewhere[pictures] = folder

    def _report_orphans(self, taken: set[str], problems: list[Problem]) -> None:
        """Report label files without an image, in the folders that hold the labels of images."""
        pictures = {posixpath.dirname(image) for image in self.images}
        places = {posixpath.dirname(usual_label_file(image)) for image in self.images}
        for place in sorted(places):
            orphans = [
                file
                for file in self.folder.files(place, (".txt",))
                if file not in taken and _stem(file) not in NOT_LABELS
            ]
            if place in pictures:  # lists and notes lie among images, too
                known = {_stem(image) for image in self.folder.files(place, (*SUFFIXES, *UNDECODED))}
                orphans = [file for file in orphans if _stem(file) not in known]
                orphans = [file for file in orphans if _has_boxes(self.folder.head(file, HEAD))]
            if orphans:
                found = f"{len(orphans)} files: {examples(posixpath.basename(file) for file in orphans)}"
                problems.append(Problem(place or ".", "annotation-without-image", found, len(orphans)))


def usual_label_file(image: str) -> str:
    """Return where an image's labels are: `images/a/1.jpg` has `labels/a/1.txt`."""
    parts = posixpath.splitext(image)[0].split("/")
    folders = [part.casefold() for part in parts[:-1]]
    if "images" in folders:
        last = len(folders) - 1 - folders[::-1].index("images")
        parts[last] = "labels"
    return "/".join(parts) + ".txt"


def _has_boxes(head: bytes) -> bool:
    """Return whether a file begins with a class and a box."""
    words = next((line.split() for line in head.splitlines() if line.strip()), [])
    return len(words) >= 5 and all(re.fullmatch(rb"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?", word) for word in words)


def _stem(file: str) -> str:
    return loose_name(posixpath.splitext(posixpath.basename(file))[0])


def _repeated(pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    again: set[tuple[str, str]] = set()
    for pair in pairs:
        (again if pair in seen else seen).add(pair)
    return again
