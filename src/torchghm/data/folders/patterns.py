"""Patterns of names with `*` and `?`, and what in the data folder they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from torchghm.data.folders.folder import DataFolder


def is_pattern(name: str) -> bool:
    """Return whether a name has signs that stand for others."""
    return "*" in name or "?" in name


def fitting(folder: DataFolder, pattern: str) -> tuple[list[str], list[str]]:
    """Return the folders and the files, links left out, that a pattern relative to the root stands for.

    `*` and `?` stand for what is within one name, `**` for any number of folders.
    """
    parts = [part.replace("[", "[[]") for part in pattern.split("/") if part not in ("", ".")]
    folders = [place for place in folder.tree() if place and _fits(place.split("/"), parts)]
    return folders, sorted(file for file in _files(folder) if _fits(file.split("/"), parts))


def _files(folder: DataFolder) -> Iterator[str]:
    for place, names in folder.tree().items():
        yield from (f"{place}/{name}" if place else name for name in names)


def _fits(names: Sequence[str], parts: Sequence[str]) -> bool:
    first, *rest = parts or [""]
    if first == "**" and rest[:1] == ["**"]:
        return _fits(names, rest)
    if first == "**":
        return any(_fits(names[number:], rest) for number in range(len(names) + 1)) if rest else True
    if not names or not fnmatchcase(names[0], first):
        return False
    return _fits(names[1:], rest) if rest else len(names) == 1
