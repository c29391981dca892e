"""The objects of a COCO file: which image and class each belongs to, and its box."""

from __future__ import annotations

from collections import Counter
from reprlib import repr as brief
from typing import Any

from torchghm.data.problems import Problem, examples
from torchghm.data.reading.coco.ids import Ids
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.repairing.coco_boxes import is_number, read_bbox

MASK_BOX = " box of the mask"
"""A key that no file has by chance."""

FEWEST = 3
"""Masks that say something about the boxes beside them."""
UPRIGHT = 0.5
"""Degrees by which a box may be turned."""

MARKS = ("iscrowd", "ignore", "difficult")
"""Keys of objects, or of their attributes, that mark what is not learned."""

Entries = list[dict[str, Any]]


class Objects:
    """The objects of a file: which image and class each belongs to, and its box."""

    def __init__(self, file: str, ids: Ids, images: list[int], categories: Ids, labels: list[int]) -> None:
        self.file = file
        self.ids, self.images, self.categories, self.labels = ids, images, categories, labels
        self.counts: Counter[str] = Counter()
        self.shown: dict[str, list[str]] = {}
        self.unknown: set[int] = set()
        self.corners = self.sides = self.unlike = self.turned = 0
        self.first_corners = ""

    def add_to(self, annotations: Annotations, entries: Entries, problems: list[Problem]) -> None:
        """Add all objects to the annotations; what is dropped or repaired joins the problems."""
        first: dict[int, dict[str, Any]] = {}
        # Of ids that come again; some tools give one id to all, so that no list is searched.
        known: dict[int, set[str]] = {}
        for entry in entries:
            reference = entry.get("id")
            reference = reference if type(reference) is int and abs(reference) < 2**63 else -1
            # The same id for different objects is common and harmless: only what is the same in all is a repetition.
            if reference != -1 and first.setdefault(reference, entry) is not entry:
                texts, text = known.setdefault(reference, {repr(first[reference])}), repr(entry)
                if text in texts:
                    self._note("repeated-annotation", entry)
                    continue
                texts.add(text)
            self._add(annotations, entry, reference)
        order = ("annotation-without-image", "unknown-category")
        for what, count in sorted(self.counts.items(), key=lambda pair: pair[0] not in order):
            words = self._counted_from() if what == "unknown-category" else ""
            problems.append(Problem(self.file, what, f"{count}: {examples(self.shown[what])}{words}", count))
        if self.corners > self.sides and annotations.assumptions.boxes is None:
            compared = self.corners + self.sides
            detail = f"{self.corners} of {compared} are the corners of the object's mask: {self.first_corners}"
            problems.append(Problem(self.file, "boxes-look-like-corners", detail, self.corners))

        if (
            2 * self.unlike > self.corners + self.sides + self.unlike >= FEWEST
            and annotations.assumptions.boxes is None
        ):
            detail = f"{self.unlike} of {self.corners + self.sides + self.unlike} share less than half with their mask"
            problems.append(Problem(self.file, "boxes-unlike-masks", detail, self.unlike))
        if self.turned:
            detail = f"{self.turned} of {len(entries)}: {self.turned} of 'rotated box'"
            problems.append(Problem(self.file, "shapes-not-read", detail, self.turned))

    def _add(self, annotations: Annotations, entry: dict[str, Any], reference: int) -> None:
        place, of_other_type = self.ids.find(entry.get("image_id"))
        category, also = self.categories.find(entry.get("category_id"))
        if place < 0:
            self._note("annotation-without-image", entry, f" of image {brief(entry.get('image_id'))}")
            return
        if category < 0:
            if type(entry.get("category_id")) is int:
                self.unknown.add(entry["category_id"])
            self._note("unknown-category", entry, f" has category {brief(entry.get('category_id'))}")
            return
        image = self.images[place]
        if image < 0:
            return
        if of_other_type or also:
            self._note(
                "ids-of-other-type", entry, f" of image {entry['image_id']!r}, category {entry['category_id']!r}"
            )
        box, how = read_bbox(entry.get("bbox"))
        of_mask = entry.get(MASK_BOX)
        if of_mask is not None and (box is None or not all(map(_is_finite, box)) or box[2] == box[3] == 0):
            self._note("box-from-mask", entry)
            box = of_mask
            if annotations.form == "xyxy":
                box = (box[0], box[1], box[0] + box[2], box[1] + box[3])
        elif box is None:
            self._note(how, entry, f": {brief(entry.get('bbox'))}")
            annotations.add_lost(image)
            return
        elif how:
            self._note("box-in-other-form", entry, f" has {how}")
        elif of_mask is not None:
            self._compare(box, of_mask)
        if of_mask is None and _is_turned(entry.get("attributes")):
            self.turned += 1
        area = entry.get("area")
        attributes = entry.get("attributes")
        marks = {**attributes, **entry} if isinstance(attributes, dict) else entry
        crowd = any(_is_true(marks.get(mark)) for mark in MARKS)
        area = area if type(area) is float or is_number(area) else 0.0
        area = area if area == area else 0.0
        annotations.add_box(image, box, self.labels[category], reference, crowd=crowd, area=area)

    def _counted_from(self) -> str:
        """Return words on categories and annotations that seem to count from 0 and from 1, else nothing."""
        known = set(self.categories.numbers)
        if not self.categories.are_numbers or not known or known != set(range(min(known), max(known) + 1)):
            return ""
        first, by = min(known), {0: 1, 1: -1}.get(min(known), 0)
        outside = {max(known) + 1} if by > 0 else {0}
        if not by or self.unknown != outside:
            return ""
        return f"; ids in 'categories' count from {first}, as if those of the annotations counted from {first + by}"

    def _compare(self, box: tuple[float, ...], of_mask: tuple[float, ...]) -> None:
        """Count which of the two readings of a box fits the mask."""
        x, y, width, height = of_mask
        if max(abs(a - b) for a, b in zip(box, of_mask, strict=True)) <= 1.5:
            self.sides += 1
        elif max(abs(a - b) for a, b in zip(box, (x, y, x + width, y + height), strict=True)) <= 1.5:
            self.corners += 1
            self.first_corners = self.first_corners or f"[{', '.join(f'{side:.6g}' for side in box)}]"
        elif max(map(abs, box)) > 1 and _shared(box, of_mask) < 0.5:  # fractions are told by all boxes
            self.unlike += 1

    def _note(self, what: str, entry: dict[str, Any], words: str = "") -> None:
        self.counts[what] += 1
        shown = self.shown.setdefault(what, [])
        if len(shown) < 4:
            shown.append(f"annotation id {brief(entry.get('id'))}{words}")


def _shared(box: tuple[float, ...], mask: tuple[float, ...]) -> float:
    """Return the intersection over the union of two boxes of a corner and sides."""
    sides = [
        min(box[axis] + box[axis + 2], mask[axis] + mask[axis + 2]) - max(box[axis], mask[axis]) for axis in (0, 1)
    ]
    both = max(sides[0], 0) * max(sides[1], 0)
    return both / max(box[2] * box[3] + mask[2] * mask[3] - both, 1e-9)


def _is_turned(attributes: object) -> bool:
    """Return whether attributes state the angle of a box, as CVAT exports it, other than upright."""
    angle = attributes.get("rotation") if isinstance(attributes, dict) else None
    return is_number(angle) and _is_finite(angle) and min(angle % 180, 180 - angle % 180) > UPRIGHT


def _is_finite(value: float) -> bool:
    return abs(value) < 1e300 and value == value


def _is_true(value: object) -> bool:
    return value is not None and value != 0 and value in (1, True, "1", "true", "True")
