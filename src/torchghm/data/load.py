"""A data set on disk, of whatever layout, to one in-memory form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torchghm.data.assumptions import Assumptions
from torchghm.data.evidence.class_use import use_problems
from torchghm.data.evidence.sets import (
    class_problems,
    further_problems,
    split_problems,
    suffix_problems,
    unlisted_problems,
    unread_problems,
)
from torchghm.data.evidence.unread import unread_annotations
from torchghm.data.problems import Problem, refuse
from torchghm.data.reading import LAYOUTS
from torchghm.data.recognising import further_layouts, recognise
from torchghm.data.records import Records
from torchghm.data.splitting.splits import check_splits, in_split_order, split_by_seed, to_divide
from torchghm.data.splitting.stated_splits import by_folders

LEFT_OUT = ("image-left-out", "images-of-one-name", "unlisted-annotations", "unlabelled-split")
"""Kinds of problems that have named images which are not read."""


@dataclass(frozen=True)
class DetectionData:
    """A data set: its classes, and the images and boxes of each split.

    Attributes:
        root: the folder that has the layout.
        layout: "coco", say; docs/data.md lists the names.
        classes: names; a label is an index into them.
        splits: from the name ("train", "val", "test", and others that the data have) to the images.
        problems: what was found wrong and has been dealt with; see `torchghm.data.KINDS`.
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    splits: Mapping[str, Records]
    problems: tuple[Problem, ...]

    def select(self, names: str) -> Records:
        """Return the images of a split, or of several joined by commas ("val,test"), each image once.

        Raises:
            ValueError: a split that the data do not have, or without images.
        """
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        has = ", ".join(repr(name) for name in self.splits) or "none"
        if not wanted:
            raise ValueError(f"Expected the name of a split of {self.root} (it has {has}), but got {names!r}")
        for name in wanted:
            if name not in self.splits:
                raise ValueError(f"Expected a split of {self.root} (it has {has}), but got {name!r}")
            if not len(self.splits[name]):
                raise ValueError(f"the split {name!r} of {self.root} has no images")
        parts = [self.splits[name] for name in dict.fromkeys(wanted)]
        return parts[0] if len(parts) == 1 else Records.join(parts)


def load_data(
    root: str | os.PathLike[str],
    *,
    layout: str | None = None,
    strict: bool = False,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    split_seed: int = 0,
    shards_at: str | None = None,
    boxes: str | None = None,
    crowds: Literal["objects"] | None = None,
    unlabelled: Literal["background"] | None = None,
) -> DetectionData:
    """Read the annotations of a data set; images are not opened.

    What is written in another way and means the same is repaired; boxes that cannot be learned from are dropped, and
    boxes that stick out of their image are clipped, all with a count in `problems`. Everything else that is wrong is an
    error.

    Arguments:
        root: the folder, or one that holds it and no other data set.
        layout: "coco", say; docs/data.md lists the names. It is recognised from the folder if None.
        strict: refuse data with any problem but notes, of which nothing is lost or doubtful.
        val_fraction: of the training images, for validation, if the data have no split for it.
        test_fraction: likewise, for testing, if the data have no splits at all.
        split_seed: of that division.
        shards_at: folder or URL (whatever fsspec reads) of the tar shards, if they are not beside their index.
        boxes: what four numbers of a box are, where the data have them in another way than their layout: "xyxy" (two
            corners), "xywh" (the upper left corner and the sides) or "cxcywh" (the centre and the sides), each also
            with "-pixels" or "-fractions". Nothing is asked then of how they look.
        crowds: "objects" takes crowds, and objects marked as difficult, for objects.
        unlabelled: "background" takes images without a label file for images with nothing to see.

    Returns:
        The data; splits are called train, val and test however the data spell them.

    Raises:
        FileNotFoundError: the folder does not exist.
        DataError: a `ValueError` that lists what makes the data unusable, by file.

    Examples:
        >>> data = load_data("scenes")  # doctest: +SKIP
        >>> len(data.select("val,test"))  # doctest: +SKIP
        150
    """
    data = read_data(
        root,
        layout=layout,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
        shards_at=shards_at,
        assumptions=Assumptions(boxes, crowds, unlabelled),
    )
    refused = [problem for problem in data.problems if problem.fatal or (strict and problem.doubtful)]
    if refused:
        raise refuse(data.root, refused)
    return data


def read_data(
    root: str | os.PathLike[str],
    *,
    layout: str | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    split_seed: int = 0,
    shards_at: str | None = None,
    assumptions: Assumptions | None = None,
) -> DetectionData:
    """Read like `load_data`, but leave fatal problems among the others, for whoever wants to see them all.

    `assumptions` are the last three arguments of `load_data`.

    Raises:
        FileNotFoundError: the folder does not exist.
        DataError: the folder has no known layout, or several.
    """
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"Expected argument `layout` to be one of {', '.join(LAYOUTS)}, but got {layout!r}")
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"Expected argument `{name}` to be at least 0 and below 1, but got {fraction}")
    folder, found_layout = recognise(Path(root), layout)
    if shards_at is not None:
        if found_layout != "shards":
            raise ValueError(f"Expected argument `shards_at` for a folder of shards only, but got {found_layout} data")
        folder.shards_at = shards_at
    problems: list[Problem] = []
    classes, splits = LAYOUTS[found_layout].read(folder, assumptions or Assumptions(), problems)
    if found_layout != "shards":
        splits = by_folders(splits, problems)
    problems += [
        Problem(str(folder.root), "malformed-annotations", f"the class name {name!a} is no text")
        for name in classes
        if name.encode("utf-8", "replace").decode() != name  # half a character, which no file could be written with
    ]
    problems += [*class_problems(classes, splits), *suffix_problems(splits), *split_problems(splits)]
    if found_layout != "shards" and not any(problem.fatal for problem in problems):
        left_out = sum(problem.count for problem in problems if problem.what in LEFT_OUT)
        problems += unlisted_problems(folder, splits, left_out)
        problems += unread_annotations(folder, splits, left_out)
        problems += further_layouts(folder, found_layout)
    if (lists := LAYOUTS[found_layout].lists) is not None:
        problems += further_problems(folder, *lists)
    divided = to_divide(splits)
    if divided:
        problems += unread_problems(folder, splits)
    if divided and not any(problem.fatal for problem in problems):
        rest = {name: records for name, records in splits.items() if name != divided}
        test = 0.0 if "test" in rest else test_fraction
        try:
            splits = in_split_order({**split_by_seed(splits[divided], val_fraction, test, split_seed), **rest})
        except ValueError as error:
            raise refuse(folder.root, [Problem(divided, "unusable-folder", str(error))]) from error
    problems += use_problems(classes, splits)
    check_splits(splits, problems)
    return DetectionData(folder.root, found_layout, classes, splits, tuple(problems))
