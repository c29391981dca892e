"""The lines of YOLO's label files: class and box, or more than that."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchghm.data.evidence.box_forms import doubts
from torchghm.data.evidence.class_lists import OwnClasses
from torchghm.data.evidence.columns import tell
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import Problem, per_file
from torchghm.data.reading.label_files import LARGEST_LABELS
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.repairing.label_text import numbers_of

SHOWN = 3
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


class _Lines:
    """Lines of as many numbers, in packed columns."""

    def __init__(self) -> None:
        self.values, self.images, self.numbers = array("d"), array("q"), array("q")

    def table(self) -> NDArray[np.float64]:
        return np.array(self.values, np.float64).reshape(len(self.images), -1)


class LabelLines:
    """Everything that label files hold; what it means is decided when all of them have been read.

    Arguments:
        folder: the data.
        classes: names, which some tools write instead of numbers.
    """

    def __init__(self, folder: DataFolder, classes: Sequence[str]) -> None:
        self.folder = folder
        self.classes = classes
        self._by_length: dict[int, _Lines] = {}
        self._files: dict[int, str] = {}
        self._own: dict[int, Sequence[str]] = {}
        self._strange: list[tuple[int, int]] = []
        self._repaired: dict[str, list[tuple[int, int]]] = {}

    def read(self, image: int, file: str, own: OwnClasses | None = None) -> None:
        """Read the label file of an image.

        Arguments:
            image: its index.
            file: its label file.
            own: the classes that its lines count by, if they are not those of the data.

        Raises:
            FileError: it cannot be read.
        """
        content = self.folder.read_text(file, LARGEST_LABELS)
        self._files[image] = file
        if own is not None:
            self._own[image] = own.names
        names = self._own.get(image, self.classes)
        doubtful = "_" in content  # Python would take 1_0 for 10
        for number, line in enumerate(content.splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            try:
                values = list(map(float, words))
                if doubtful and "_" in line:
                    raise ValueError
            except ValueError:
                repaired = numbers_of(line, names)
                if repaired is None:
                    if not line.lstrip().startswith("#"):
                        self._strange.append((image, number))
                    continue
                values, how = repaired
                self._repaired.setdefault(how, []).append((image, number))
            if own is not None:
                values[0] = own.numbers.get(values[0], nan)
            lines = self._by_length.get(len(values))
            if lines is None:
                lines = self._by_length[len(values)] = _Lines()
            lines.values.extend(values)
            lines.images.append(image)
            lines.numbers.append(number)

    def add_to(self, annotations: Annotations, key_points: int, problems: list[Problem]) -> None:
        """Add the objects to the annotations; what lines are taken for, and what is dropped, joins the problems."""
        self._report("line-not-numbers", self._strange, "", problems)
        for image, _ in self._strange:
            annotations.add_lost(image)
        for how, found in self._repaired.items():
            self._report("line-in-other-form", found, f"{how}; ", problems)
        parts = [
            part
            for length in sorted(self._by_length)
            if (part := self._boxes(length, key_points, annotations, problems))
        ]
        if not parts:
            return
        classes, boxes, images, numbers = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((numbers, images))
        annotations.add_boxes(images[order], boxes[order], classes[order], numbers[order])

    def _boxes(
        self, length: int, key_points: int, annotations: Annotations, problems: list[Problem]
    ) -> tuple[NDArray[Any], ...] | None:
        """Return class, box, image and line of the lines of a length, as far as they have boxes."""
        lines = self._by_length[length]
        table, images, numbers = lines.table(), np.array(lines.images), np.array(lines.numbers)
        known = np.isin(table[:, 0], np.arange(len(self.classes)))
        boxes = table[:, 1:]
        if length != 5:
            columns = tell(boxes, key_points=key_points, alone=self._alone(length))
            total = sum(len(other.images) for other in self._by_length.values())
            every = "all " if len(images) == total else ""
            said = f"{every}{len(images)} lines have {_spelled(length)} numbers"
            found = list(zip(images.tolist(), numbers.tolist(), strict=True))
            if columns.boxes is None:
                self._report("line-of-unknown-columns", found, f"{said}, {columns.words}; ", problems)
                for image in lines.images:
                    annotations.add_lost(image)
                return None
            if not columns.usual:
                self._report("columns-told", found, f"{said}, taken for {columns.words}; ", problems)
            boxes = in_form(columns.boxes, annotations.form)
        elif len(self._by_length) > 1 and annotations.assumptions.boxes is None:
            # Among polygons, those of two points have as many numbers as a box.
            judged = np.flatnonzero(known)
            sizes, areas = np.full((len(judged), 2), 1000), np.zeros(len(judged))
            for doubt in doubts(boxes[judged], sizes, table[judged, 0].astype(np.int64), areas, "cxcywh", "fractions"):
                chosen = judged[doubt.boxes]
                found = list(zip(images[chosen].tolist(), numbers[chosen].tolist(), strict=True))
                self._report(doubt.what, found, f"of the lines with five numbers, {doubt.words}; ", problems)
        if not known.all():
            self._report_classes(images[~known], numbers[~known], problems)
        return table[known, 0].astype(np.int64), boxes[known], images[known], numbers[known]

    def _alone(self, length: int) -> bool:
        return not any(other > 5 and other != length for other in self._by_length)

    def _report(self, what: str, found: list[tuple[int, int]], words: str, problems: list[Problem]) -> None:
        """Report lines; the first few are shown themselves."""
        if not found:
            return
        texts = [
            (self._files[image], f"line {number} {self._line(image, number)[:60]!r}") for image, number in found[:SHOWN]
        ]
        texts += [(self._files[image], "") for image, _ in found[SHOWN:]]
        problem = per_file(what, texts, "lines")
        problems.append(Problem(problem.file, what, words + problem.detail, problem.count))

    def _report_classes(self, images: NDArray[np.int64], numbers: NDArray[np.int64], problems: list[Problem]) -> None:
        texts: list[tuple[str, str]] = []
        for image, number in zip(images.tolist(), numbers.tolist(), strict=True):
            text = ""
            if len(texts) < SHOWN:
                count = len(self._own.get(image, self.classes))
                token = self._line(image, number).replace(",", " ").split()[0][:20]
                text = f"line {number} has class {token} of {count} (classes count from 0 to {count - 1})"
            texts.append((self._files[image], text))
        problems.append(per_file("unknown-category", texts, "lines"))

    def _line(self, image: int, number: int) -> str:
        return self.folder.read_text(self._files[image], LARGEST_LABELS).splitlines()[number - 1].strip()


def in_form(boxes: NDArray[np.float64], form: str) -> NDArray[np.float64]:
    """Return centres and sides in another form."""
    if form == "cxcywh":
        return boxes
    low, sides = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]
    return np.concatenate([low, sides if form == "xywh" else low + sides], axis=1)


def _spelled(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)
