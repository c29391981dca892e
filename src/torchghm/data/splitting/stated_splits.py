"""Splits that are stated of single images in a list of all: by a column, or by the folder of the image."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from torchghm.data.problems import Problem, common_place, examples
from torchghm.data.records import Records
from torchghm.data.splitting.split_names import is_split, split_of
from torchghm.data.splitting.splits import in_split_order

UNSTATED = ("all", "default")
"""Names of splits that say nothing."""
SPLIT_KEYS = ("split", "set", "subset", "partition", "phase", "usage", "ml_use", "fold", "kfold")
"""Columns and keys that state the split of an image, in lower case."""


class StatedSplits:
    """The splits that one file states of its images.

    Arguments:
        file: the annotation file.

    Attributes:
        by_image: the split of each image of which one is stated, as it is written.
        twice: images of which two different ones are stated.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.by_image: dict[str, str] = {}
        self.twice: list[str] = []

    def add(self, image: str, stated: object) -> None:
        """Note what is stated of an image; anything but text, or the number of a fold, says nothing."""
        name = str(stated).strip() if type(stated) in (str, int) else ""
        if name and self.by_image.setdefault(image, name) != name:
            self.twice.append(image)

    def divide(
        self, split: str, records: Records, *, alone: bool, names: Mapping[str, str], problems: list[Problem]
    ) -> dict[str, Records]:
        """Return the images of a file by the split that is stated of each; contradictions join the problems.

        Arguments:
            split: that the name of the file, or its folder, states.
            records: all images of the file.
            alone: no other file has a split.
            names: the file of each image, by what the annotation file calls it.
            problems: so far.
        """
        if not any(split_of(name) for name in self.by_image.values()):
            self._report_folds(split, problems)
            return {split: records}
        if self.twice:
            detail = f"{len(self.twice)} images are stated to be in two splits: {examples(self.twice)}"
            problems.append(Problem(self.file, "splits-contradict", detail, len(self.twice)))
        stated = {names[image]: split_of(name) or name for image, name in self.by_image.items() if image in names}
        rest = {name: _told_by_folders(name) if split in UNSTATED else split for name in records.names()}
        told = [stated.get(name) or of_rest for name, of_rest in rest.items()]
        self._compare(split, stated, alone, problems)
        return _divided(split, records, told, problems)

    def _report_folds(self, split: str, problems: list[Problem]) -> None:
        """Report numbers that divide the images of no split into folds."""
        folds = {name.removesuffix(".0") for name in self.by_image.values()}
        if split in (*UNSTATED, "train") and len(folds) > 1 and all(fold.isdecimal() for fold in folds):
            detail = f"{len(self.by_image)} images are of the folds {examples(sorted(folds))}"
            problems.append(Problem(self.file, "folds-not-read", detail, len(self.by_image)))

    def _compare(self, split: str, stated: Mapping[str, str], alone: bool, problems: list[Problem]) -> None:
        if split not in UNSTATED:
            others = [f"{name} is of {own!r}" for name, own in stated.items() if own != split]
            where = f"the file itself is of {split!r}"
        else:
            folders = {name: _told_by_folders(name) for name in stated}
            others = [f"{name} is of {own!r}" for name, own in stated.items() if folders[name] not in (None, own)]
            where, alone = "their folders are called otherwise", True
        if others:
            what = "splits-differ" if alone else "splits-contradict"
            problems.append(Problem(self.file, what, f"{len(others)}: {examples(others)}; {where}", len(others)))


def by_folders(splits: Mapping[str, Records], problems: list[Problem]) -> dict[str, Records]:
    """Return the splits, a single one of no name by the folders of its images that are called after splits.

    Arguments:
        splits: as a reader found them.
        problems: so far; images in no such folder, where others are in one, join them.
    """
    only = next(iter(splits), "")
    if len(splits) != 1 or only not in UNSTATED:
        return dict(splits)
    told = list(map(_told_by_folders, splits[only].names()))
    # Folders divide nothing where all images are in one: people train on what they have of a set, its val2017/, say.
    return dict(splits) if len({*told}) == 1 and "train" not in told else _divided(only, splits[only], told, problems)


def _told_by_folders(image: str) -> str | None:
    """Return the split that one of an image's folders is called after, whatever else lies between."""
    return _told(posixpath.dirname(image))


@lru_cache(maxsize=1024)
def _told(folder: str) -> str | None:
    return next((split_of(part) for part in reversed(folder.split("/")) if is_split(part)), None)


def _divided(split: str, records: Records, told: Sequence[str | None], problems: list[Problem]) -> dict[str, Records]:
    """Return the images of each split; where some are told, what the rest is follows from what is missing."""
    named = {name for name in told if name is not None}
    rest = [index for index, name in enumerate(told) if name is None]
    to_train = named & {"train", "trainval"}
    if not named or (rest and named == to_train):
        return {split: records}
    names = list(told)
    if rest and named != {"test"}:
        shown = _shown(records, rest)
        if to_train:
            problems.append(Problem(shown[0], "unlisted-annotations", f"{shown[1]}, of no split", len(rest)))
        else:
            problems.append(Problem(shown[0], "split-of-the-rest", f"{shown[1]}, taken for 'train'", len(rest)))
            names = [name or "train" for name in told]
    elif rest:
        names = [name or split for name in told]
    found = dict.fromkeys(name for name in names if name is not None)
    return in_split_order(
        {name: records.take(index for index, own in enumerate(names) if own == name) for name in found}
    )


def _shown(records: Records, indices: Iterable[int]) -> tuple[str, str]:
    names = [records.name(index) for index in indices]
    return common_place(names), f"{len(names)} images: {examples(names)}"
