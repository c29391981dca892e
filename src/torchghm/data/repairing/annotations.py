"""Where the three readers put what they find, and how it becomes records."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchghm.data.images import ImageError, read_size
from torchghm.data.problems import Problem, examples
from torchghm.data.records import Records
from torchghm.data.repairing.boxes import clean_boxes
from torchghm.data.shard_members import Members
from torchghm.data.threads import in_threads


class Annotations:
    """Images and objects as a reader finds them, before boxes are judged.

    Arguments:
        root: the data folder.
        unit: what `reference` counts in the annotation files ("annotation id", "object", "line").
        normalised: boxes come as fractions of the image's sides, not in pixels.
    """

    def __init__(self, root: Path, unit: str, normalised: bool = False) -> None:
        self.root = root
        self.unit = unit
        self.normalised = normalised
        self.names: list[str] = []
        self.sources: list[str] = []
        # Packed columns: Python numbers would take eight times the memory of a large set.
        self.sizes = array("q")
        self.image_ids = array("q")
        self.images = array("q")
        self.coordinates = array("d")
        self.labels = array("q")
        self.crowd = array("b")
        self.areas = array("d")
        self.references = array("q")

    def add_image(self, name: str, source: str, image_id: int, width: object = None, height: object = None) -> int:
        """Add an image and return its index.

        Arguments:
            name: the file, relative to the root.
            source: the annotation file that problems of its boxes are reported for.
            image_id: a number below 2**63.
            width: in pixels; if either is not a positive whole number, the image itself is asked.
            height: likewise.
        """
        sizes = (_pixels(width), _pixels(height))
        self.names.append(name)
        self.sources.append(source)
        self.image_ids.append(image_id)
        self.sizes.extend(sizes if all(sizes) else (0, 0))
        return len(self.names) - 1

    def add_box(
        self, image: int, box: Sequence[float], label: int, reference: int, crowd: bool = False, area: float = 0.0
    ) -> None:
        """Add an object: its box x1, y1, x2, y2, and its area if that is known better than from the box."""
        self.images.append(image)
        self.coordinates.extend(box)
        self.labels.append(label)
        self.references.append(reference)
        self.crowd.append(crowd)
        self.areas.append(area)

    def records(self, problems: list[Problem], members: Members | None = None) -> Records:
        """Return the images with the boxes that can be used; what was dropped or clipped joins the problems.

        Arguments:
            problems: so far.
            members: places in tar shards, for images without files of their own, of which all sizes are known then.
        """
        sizes = _column(self.sizes, np.int64).reshape(-1, 2)
        self._read_missing_sizes(sizes, problems)
        images = _column(self.images, np.int64)
        boxes = _column(self.coordinates, np.float64).reshape(-1, 4)
        box_sizes = sizes[images]
        if self.normalised:
            boxes *= np.tile(box_sizes, 2)
        cleaned, faults = clean_boxes(boxes, box_sizes[:, 0], box_sizes[:, 1])
        # An image that could not be read has no size; it is a problem already, its boxes are not.
        unknown = box_sizes[:, 0] == 0
        for what, concerned in faults.items():
            self._report(what, concerned & ~unknown, boxes, images, problems)
        dropped = faults["box-not-finite"] | faults["box-without-area"] | faults["box-outside"] | unknown
        kept = np.flatnonzero(~dropped)
        kept = kept[np.argsort(images[kept], kind="stable")]
        counts = np.bincount(images[kept], minlength=len(self.names))
        sides = cleaned[:, 2:] - cleaned[:, :2]
        area = _column(self.areas, np.float64)
        believable = (area > 0) & (area <= box_sizes.prod(axis=1))
        area = np.where(believable, area, sides.prod(axis=1)).astype(np.float32)
        return Records(
            self.root,
            self.names,
            widths=sizes[:, 0].copy(),
            heights=sizes[:, 1].copy(),
            image_ids=_column(self.image_ids, np.int64),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            boxes=cleaned[kept],
            labels=_column(self.labels, np.int64)[kept],
            crowd=_column(self.crowd, np.bool_)[kept],
            area=area[kept],
            members=members,
        )

    def _read_missing_sizes(self, sizes: NDArray[np.int64], problems: list[Problem]) -> None:
        def size_or_error(index: int) -> tuple[int, int] | ImageError:
            try:
                return read_size(self.root / self.names[index])
            except ImageError as error:
                return error

        missing = [int(index) for index in np.flatnonzero(sizes[:, 0] == 0)]
        for index, size in zip(missing, in_threads(size_or_error, missing), strict=True):
            if isinstance(size, ImageError):
                problems.append(Problem(self.names[index], "unreadable-image", size.reason))
            else:
                sizes[index] = size

    def _report(
        self,
        what: str,
        concerned: NDArray[np.bool_],
        boxes: NDArray[np.float64],
        images: NDArray[np.int64],
        problems: list[Problem],
    ) -> None:
        by_source: dict[str, list[int]] = {}
        for index in np.flatnonzero(concerned):
            by_source.setdefault(self.sources[images[index]], []).append(int(index))
        for source, indices in by_source.items():
            shown = (
                f"{self.unit} {self.references[index]} [{', '.join(f'{x:.6g}' for x in boxes[index])}]"
                for index in indices[:4]
            )
            problems.append(Problem(source, what, f"{len(indices)}: {examples(shown)}", len(indices)))


def _pixels(value: object) -> int:
    """Return a stated width or height, 0 if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(value) if 0 < value < 2**31 and value == int(value) else 0


def _column(values: array[Any], dtype: type[Any]) -> NDArray[Any]:
    return np.array(values, dtype=dtype)
