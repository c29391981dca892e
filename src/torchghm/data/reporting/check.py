"""Is this data set fit to train with? Counts, balance, sizes, and everything that is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console, Group

from torchghm.data.assumptions import Assumptions
from torchghm.data.images import ImageError, SizeMismatchError, read_image
from torchghm.data.load import DetectionData, read_data
from torchghm.data.problem_kinds import KINDS
from torchghm.data.problems import DataError, Problem
from torchghm.data.records import Records
from torchghm.data.threads import in_threads

# COCO's limits, in square pixels.
SMALL, MEDIUM = 32**2, 96**2


@dataclass(frozen=True)
class SplitCount:
    """The counts of a split; crowds are counted as crowds only.

    Attributes:
        images: how many.
        images_without_boxes: how many of them have nothing to find.
        boxes: how many objects.
        crowds: how many crowd regions.
        small: boxes with an area below 32 x 32 pixels.
        medium: below 96 x 96.
        large: all others.
        by_class: boxes of each class, in the order of the classes.
    """

    images: int
    images_without_boxes: int
    boxes: int
    crowds: int
    small: int
    medium: int
    large: int
    by_class: tuple[int, ...]


@dataclass(frozen=True)
class DataCheck:
    """The result of `check_data`.

    Attributes:
        root: the data folder.
        layout: "coco", say, or "unknown"; docs/data.md lists the names.
        classes: names.
        splits: counts by the split's name.
        problems: all of them, fatal ones first.
        data: what was read, None if there is nothing to read.
    """

    root: Path
    layout: str
    classes: tuple[str, ...] = ()
    splits: Mapping[str, SplitCount] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    data: DetectionData | None = field(default=None, compare=False, repr=False)

    @property
    def usable(self) -> bool:
        """Whether one can train with the data: no problem is fatal."""
        return not any(problem.fatal for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as lists, texts and numbers, for JSON."""
        problems = [
            {
                "kind": problem.what,
                "severity": KINDS[problem.what].severity,
                "count": problem.count,
                "file": problem.file,
                "detail": problem.detail,
                "meaning": KINDS[problem.what].meaning,
                "remedy": KINDS[problem.what].remedy,
            }
            for problem in self.problems
        ]
        return {
            "root": str(self.root),
            "layout": self.layout,
            "usable": self.usable,
            "classes": list(self.classes),
            "splits": {name: asdict(count) for name, count in self.splits.items()},
            "problems": problems,
        }

    def table(self, shown: int = 20) -> Group:
        """Return everything as tables for `rich.console.Console.print`, at most `shown` files for each problem."""
        from torchghm.data.reporting.check_table import tables

        return tables(self, shown)

    def print(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Console()).print(self.table())


def check_data(
    root: str | os.PathLike[str],
    *,
    layout: str | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    split_seed: int = 0,
    shards_at: str | None = None,
    boxes: str | None = None,
    crowds: Literal["objects"] | None = None,
    unlabelled: Literal["background"] | None = None,
    open_images: bool = True,
    workers: int | None = None,
) -> DataCheck:
    """Read a data set, annotations and images, and report what is in it and what is wrong with it.

    Arguments:
        root: as in `load_data`, and so are layout, val_fraction, test_fraction, split_seed, shards_at, boxes, crowds
            and unlabelled.
        layout: see there.
        val_fraction: see there.
        test_fraction: see there.
        split_seed: see there.
        shards_at: see there.
        boxes: see there.
        crowds: see there.
        unlabelled: see there.
        open_images: decode every image, which finds truncated ones and those of another size than annotated.
        workers: threads for that; as many as processors if None.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    try:
        data = read_data(
            root,
            layout=layout,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            shards_at=shards_at,
            assumptions=Assumptions(boxes, crowds, unlabelled),
        )
    except DataError as error:
        return DataCheck(Path(root), layout or "unknown", problems=error.problems)
    problems = list(data.problems)
    if not any(problem.fatal for problem in problems):
        problems += _not_trainable(data.splits)
    if open_images:
        problems += _check_images(list(data.splits.values()), workers)
    counts = {name: _count(records, len(data.classes)) for name, records in data.splits.items()}
    problems.sort(key=lambda problem: (not problem.fatal, problem.what))
    return DataCheck(data.root, data.layout, data.classes, counts, tuple(dict.fromkeys(problems)), data)


def _not_trainable(splits: Mapping[str, Records]) -> list[Problem]:
    """Return what training refuses, though the data can be read, and used for evaluation say."""
    problems = []
    for name in ("train", "val"):
        if name not in splits:
            has = ", ".join(map(repr, splits)) or "none"
            problems.append(Problem(name, "not-trainable", f"the data have no split {name!r} (they have {has})"))
        elif splits[name].crowd.all():
            problems.append(Problem(name, "not-trainable", f"no image of {name!r} has a box"))
    return problems


def _count(records: Records, classes: int) -> SplitCount:
    real = ~records.crowd
    image = np.repeat(np.arange(len(records)), np.diff(records.offsets))
    area = records.area[real]
    return SplitCount(
        images=len(records),
        images_without_boxes=len(records) - len(np.unique(image[real])),
        boxes=int(real.sum()),
        crowds=int(records.crowd.sum()),
        small=int((area < SMALL).sum()),
        medium=int(((area >= SMALL) & (area < MEDIUM)).sum()),
        large=int((area >= MEDIUM).sum()),
        by_class=tuple(np.bincount(records.labels[real], minlength=classes).tolist()),
    )


def _check_images(splits: list[Records], workers: int | None) -> list[Problem]:
    def problem_of(index: int) -> Problem | None:
        record = images[index]
        if record.width == 0:  # could not be read before, and was reported
            return None
        try:
            read_image(record.source, expected_size=(record.width, record.height))
        except ImageError as error:
            what = "size-mismatch" if isinstance(error, SizeMismatchError) else "unreadable-image"
            file = images.name(index) if record.member is None else f"{record.member.shard}/{record.member.name}"
            return Problem(file, what, error.reason)
        return None

    if not splits:
        return []
    images = Records.join(splits)
    return [problem for problem in in_threads(problem_of, range(len(images)), workers) if problem is not None]
