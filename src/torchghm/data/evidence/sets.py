"""Problems that a whole data set shows and none of its files does."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from torchghm.data.folders.file_names import normal_name
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES, UNUSUAL
from torchghm.data.problems import Problem, common_place, examples
from torchghm.data.records import Records
from torchghm.data.splitting.split_names import is_part, split_of

LISTS = (".txt", ".csv", ".json", ".xml")


def class_problems(classes: Sequence[str], splits: Mapping[str, Records]) -> list[Problem]:
    """Return classes that are crowds for the most part, and classes whose names hardly differ."""
    problems = []
    crowds, objects = np.zeros(len(classes), np.int64), np.zeros(len(classes), np.int64)
    for records in splits.values():
        stated = records.crowd & (records.area > 0)  # not where a broken box may have been
        crowds += np.bincount(records.labels[stated], minlength=len(classes))
        objects += np.bincount(records.labels[~records.crowd], minlength=len(classes))
    if objects.any():
        for label in np.flatnonzero(crowds > objects).tolist():
            detail = f"{crowds[label]} of {crowds[label] + objects[label]} objects of {classes[label]!r}"
            problems.append(Problem("classes", "class-of-crowds", detail, int(crowds[label])))
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(" ".join(normal_name(name).casefold().replace("_", " ").split()), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            counts = [int(objects[classes.index(name)]) for name in names]
            shown = ", ".join(f"{name!r} ({count} objects)" for name, count in zip(names, counts, strict=True))
            problems.append(Problem("classes", "similar-class-names", shown, min(counts) or 1))
    return problems


def split_problems(splits: Mapping[str, Records]) -> list[Problem]:
    """Return folders of a less usual name that are taken for the split for validation."""
    names = splits["val"].names() if "val" in splits else []
    words = {part.casefold() for name in names[:1] for part in name.split("/")[:-1]}
    found = sorted(word for word in words if word in ("dev", "eval"))
    return [Problem(names[0].rpartition("/")[0], "split-by-other-name", f"{found[0]!r} is 'val'")] if found else []


def suffix_problems(splits: Mapping[str, Records]) -> list[Problem]:
    """Return images that are JPEG files by another name."""
    names = {name for records in splits.values() for name in records.names() if name[-5:].casefold().endswith(UNUSUAL)}
    if not names:
        return []
    return [Problem(common_place(names), "unusual-suffix", f"{len(names)}: {examples(sorted(names))}", len(names))]


def unlisted_problems(folder: DataFolder, splits: Mapping[str, Records], left_out: int) -> list[Problem]:
    """Return images beside those of the data that nothing names.

    Arguments:
        folder: the data.
        splits: the images that are read.
        left_out: how many others are reported already.
    """
    used = {name for records in splits.values() for name in records.names()}
    unlisted = []
    for place in {name.rpartition("/")[0] for name in used}:
        start = f"{place}/" if place else ""
        unlisted += [
            start + name
            for name in folder.tree().get(place, ())
            if start + name not in used and name.lower().endswith(SUFFIXES)
        ]
    if len(unlisted) <= left_out:
        return []
    return [
        Problem(
            common_place(unlisted), "unlisted-image", f"{len(unlisted)}: {examples(sorted(unlisted))}", len(unlisted)
        )
    ]


def unread_problems(folder: DataFolder, splits: Mapping[str, Records]) -> list[Problem]:
    """Return lists and folders of images that look like splits and are not read, before a split is drawn at random."""
    of_images = {posixpath.dirname(name) for records in splits.values() for name in records.names()}
    unread = []
    for place, names in folder.tree().items():
        above = any(posixpath.join(inner, "").startswith(posixpath.join(place, "")) for inner in of_images if place)
        if place and place not in of_images and not above and _images(names):
            unread.append(f"{place}/ ({_images(names)} images)")
        for name in names:
            stem, suffix = posixpath.splitext(name)
            file = posixpath.join(place, name)
            in_lists = "imagesets" in place.casefold()
            told = suffix.casefold() in LISTS and len(stem) < 40 and (in_lists or split_of(stem))
            if told and file not in folder.read_names:
                unread.append(file)
    if not unread:
        return []
    drawn = ", ".join(repr(name) for name in splits)
    detail = f"{len(unread)}: {examples(unread)}; splits are drawn at random from {drawn}"
    return [Problem(".", "unread-files", detail, len(unread))]


def further_problems(folder: DataFolder, suffix: str, is_list: Callable[[DataFolder, str], object]) -> list[Problem]:
    """Return lists of annotations below folders of a split, images or annotations that are not read.

    Arguments:
        folder: the data.
        suffix: of such lists.
        is_list: whether a file is one.
    """
    below = [place for place in sorted(folder.tree()) if not folder.holds(place) and is_part(place)]
    files = [file for place in below for file in folder.files(place, (suffix,)) if file not in folder.read_names]
    unread = [file for file in files if is_list(folder, file)]
    if not unread:
        return []
    detail = f"{len(unread)} in folders of free names: {examples(unread)}"
    return [Problem(common_place(unread), "unread-files", detail, len(unread))]


def _images(names: Sequence[str]) -> int:
    return sum(posixpath.splitext(name)[1].lower() in SUFFIXES for name in names)
