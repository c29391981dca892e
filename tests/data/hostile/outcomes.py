"""Outcome of a broken data set: it loads, with exactly these boxes, or one error names the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.layouts import CLASSES, SAMPLES

from torchghm.data import DataError, DetectionData, DetectionDataset, ImageError, ImageRecord, check_data, load_data

Objects = list[tuple[str, list[float]]]
"""Class and box of each object of an image."""
Image = tuple[int, int, Objects]
"""Width, height and objects."""

GOOD: dict[str, Image] = {
    sample.name: (
        sample.width,
        sample.height,
        [(CLASSES[label], list(box)) for label, box in zip(sample.labels, sample.boxes, strict=True)],
    )
    for sample in SAMPLES
}


@dataclass(frozen=True)
class Loads:
    """The data load, and every image can be read.

    Attributes:
        images: those that are not what they are in the good data set; None for one that is not there.
        problems: how many objects or images have which problem.
        pixels: of some images, `[height, width, 3]`.
    """

    images: Mapping[str, Image | None] = field(default_factory=dict)
    problems: Mapping[str, int] = field(default_factory=dict)
    pixels: Mapping[str, Any] = field(default_factory=dict)

    def verify(self, root: Path) -> None:
        data = load_data(root)
        counts: Counter[str] = Counter()
        for problem in data.problems:
            # What a case does to one image can take the only object of a class to train with.
            if problem.what != "class-not-in-train":
                counts[problem.what] += problem.count
        assert counts == dict(self.problems)
        expected = {name: image for name, image in {**GOOD, **self.images}.items() if image is not None}
        assert_images(data, expected)
        for records in data.splits.values():
            dataset = DetectionDataset(records, data.classes)
            for index, record in enumerate(records):
                image, target = dataset[index]
                assert image.shape == (3, record.height, record.width)
                assert target["boxes"].tolist() == record.boxes.tolist()
                if record.path.name in self.pixels:
                    np.testing.assert_allclose(image.permute(1, 2, 0), self.pixels[record.path.name], atol=3)
        check = check_data(root)
        assert check.usable
        assert set(check.problems) == set(data.problems)
        if self.problems:
            with pytest.raises(DataError, match=next(iter(self.problems))):
                load_data(root, strict=True)


def assert_images(data: DetectionData, expected: Mapping[str, Image]) -> None:
    """Check names, sizes, classes and boxes of all images, whatever their split and order."""
    found = {record.path.name: record for records in data.splits.values() for record in records}
    assert set(found) == set(expected)
    for name, (width, height, objects) in expected.items():
        record = found[name]
        assert (record.width, record.height) == (width, height), name
        real = ~record.crowd  # where a dropped object may be, there is a region to leave alone
        assert [data.classes[label] for label in record.labels[real]] == [class_name for class_name, _ in objects], name
        boxes = np.reshape([box for _, box in objects], (-1, 4))
        np.testing.assert_allclose(record.boxes[real], boxes, atol=1e-4, err_msg=name)


@dataclass(frozen=True)
class Refused:
    """One error, with the file, the kind of problem, and words of what is wrong.

    Attributes:
        file: relative to the data folder; all images of the split are wrong for the same reason if it is a split.
        what: the kind.
        words: a regular expression.
        opened: the annotations alone are good; it shows when the image is read.
    """

    file: str
    what: str
    words: str = ""
    opened: bool = False

    def verify(self, root: Path) -> None:
        check = check_data(root)
        assert not check.usable
        (problem,) = (problem for problem in check.problems if problem.fatal)
        assert (problem.file, problem.what) == (self.file, self.what)
        assert re.search(self.words, problem.detail, re.IGNORECASE), problem.detail
        if self.opened:
            self._reading_fails(load_data(root))
            return
        with pytest.raises(DataError) as raised:
            load_data(root)
        lines = str(raised.value).splitlines()
        assert lines == [f"the data in {root} cannot be used:", f"  {problem}"]

    def _reading_fails(self, data: DetectionData) -> None:
        (record,) = (record for records in data.splits.values() for record in records if self._is_of(record))
        with pytest.raises(ImageError) as raised:
            DetectionDataset([record], data.classes)[0]
        assert self.file in str(raised.value)
        assert "\n" not in str(raised.value)

    def _is_of(self, record: ImageRecord) -> bool:
        return str(record.path if record.member is None else record.member.path).endswith(self.file)


Outcome = Loads | Refused
Harm = Callable[[Path], object]
"""Breaks the good data set in this folder. Beside the folder lie `secret.png`, `secret.txt` and `outside/`."""
Case = tuple[str, Harm, Outcome]
"""Name, what is done to the good data set, what becomes of it."""
