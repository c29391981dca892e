"""Images and objects of a data set in packed columns, as readers find them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Columns:
    """Packed columns of images and objects: Python numbers would take eight times the memory of a large set."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sources: list[str] = []
        self.sizes = array("q")
        self.image_ids = array("q")
        self.own_ids: dict[str, int | str] = {}
        self.images = array("q")
        self.coordinates = array("d")
        self.labels = array("q")
        self.crowd = array("b")
        self.areas = array("d")
        self.references = array("q")
        self.partly = array("q")
        self.lost = array("q")

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
        self,
        image: int,
        box: Sequence[float],
        label: int,
        reference: int,
        crowd: bool = False,
        area: float = 0.0,
        partly: bool = False,
    ) -> None:
        """Add an object.

        Arguments:
            image: its index.
            box: four numbers in the form of this layout.
            label: from 0.
            reference: what the file counts objects by.
            crowd: not to be learned.
            area: that the file states, 0 if none.
            partly: some numbers are NaN because the file lacks them; the reader reports that.
        """
        self.images.append(image)
        self.coordinates.extend(box)
        self.labels.append(label)
        self.references.append(reference)
        self.crowd.append(crowd)
        self.areas.append(area)
        if partly:
            self.partly.append(len(self.images) - 1)

    def add_boxes(
        self,
        images: NDArray[np.int64],
        boxes: NDArray[np.float64],
        labels: NDArray[np.int64],
        references: NDArray[np.int64],
    ) -> None:
        """Add many objects at once, `[n]` images, `[n, 4]` boxes, `[n]` labels and references; none is a crowd."""
        self.images.frombytes(images.astype(np.int64).tobytes())
        self.coordinates.frombytes(np.ascontiguousarray(boxes, np.float64).tobytes())
        self.labels.frombytes(labels.astype(np.int64).tobytes())
        self.references.frombytes(references.astype(np.int64).tobytes())
        self.crowd.frombytes(bytes(len(images)))
        self.areas.frombytes(bytes(8 * len(images)))

    def add_lost(self, image: int, count: int = 1) -> None:
        """Add objects that are there but cannot be used, and whose place is unknown; the reader reports them."""
        self.lost.extend([image] * count)


def incomplete(corners: Sequence[float | None]) -> tuple[float, float, float, float]:
    """Return the corners of a box that lacks some of them: what is not known may be anywhere."""
    x1, y1, x2, y2 = (nan if corner is None else corner for corner in corners)
    return x1, y1, x2, y2


def _pixels(value: object) -> int:
    """Return a stated width or height, 0 if it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(value) if 0 < value < 2**31 and value == int(value) else 0


def column(values: array[Any], dtype: type[Any]) -> NDArray[Any]:
    """Return a column as an array."""
    return np.array(values, dtype=dtype)
