"""Annotation files of single images that are not read, though their images are there and are not read either."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping

from torchghm.data.folders.file_names import loose_name
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import Problem, common_place, examples
from torchghm.data.records import Records
from torchghm.data.splitting.split_names import is_of_runs, is_place_alone

HEAD = 4096
_NUMBER = rb"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
_TOLD_BY = {
    ".xml": re.compile(rb"<annotation[\s>]"),
    ".json": re.compile(rb'"(?:shapes|objects|annotations|instances)"\s*:'),
    ".txt": re.compile(rb"\A\s*[0-9]+(?:[ \t]+" + _NUMBER + rb"){4,}\s*$", re.MULTILINE),
}


def unread_annotations(folder: DataFolder, splits: Mapping[str, Records], left_out: int) -> list[Problem]:
    """Return images that are not read, with annotation files that are not read: another layout, or an unlisted folder.

    Arguments:
        folder: the data.
        splits: the images that are read.
        left_out: how many others are reported already.
    """
    used = {name for records in splits.values() for name in records.names()}
    names_used = {_stem(name) for name in used}
    # Folders that are links lead to others in the data, which are read by the links' names.
    read = {place: os.path.realpath(folder.root / place) for place in {posixpath.dirname(name) for name in used}}
    linked = {os.path.relpath(real, os.path.realpath(folder.root)) for real in read.values()} - read.keys()
    images: dict[str, str] = {}
    alone: dict[str, str] = {}
    for image in _files(folder, SUFFIXES):
        if image not in used and posixpath.dirname(image) not in linked:
            images.setdefault(_key(image), image)
            if _stem(image) not in names_used:
                alone.setdefault(_stem(image), image)
    if not images:
        return []
    found: dict[str, str] = {}
    for file in _files(folder, tuple(_TOLD_BY)):
        own = images.get(_key(file)) or alone.get(_stem(file))
        if own is not None and own not in found and file not in folder.read_names and _is_annotation(folder, file):
            found[own] = file
    if len(found) <= left_out:
        return []
    shown = examples(f"{image} has {file}" for image, file in sorted(found.items()))
    return [Problem(common_place(found), "unread-annotations", f"{len(found)} images: {shown}", len(found))]


def _files(folder: DataFolder, suffixes: tuple[str, ...]) -> Iterator[str]:
    for place, names in folder.tree().items():
        if not is_of_runs(place):
            yield from (posixpath.join(place, name) for name in names if name.casefold().endswith(suffixes))


def _is_annotation(folder: DataFolder, file: str) -> bool:
    head = folder.head(file, HEAD).replace(b"\0", b"")  # without the zeros, UTF-16 is read as well
    return _TOLD_BY[posixpath.splitext(file)[1].casefold()].search(head) is not None


def _key(file: str) -> str:
    """Return a file's name without its suffix and without folders that only say what is in them."""
    free = [part for part in posixpath.dirname(file).split("/") if not is_place_alone(part)]
    return "/".join((*free, _stem(file))).casefold()


def _stem(file: str) -> str:
    return loose_name(posixpath.splitext(posixpath.basename(file))[0])
