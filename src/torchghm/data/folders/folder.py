"""The content of a data folder, and the file that a name stands for that was written elsewhere."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path

from torchghm.data.folders.confined_folder import ConfinedFolder
from torchghm.data.folders.file_names import is_hidden, loose_name, tails, with_slashes
from torchghm.data.problems import FileError
from torchghm.data.splitting.split_names import SPLIT_NAMES, is_of_runs, is_part, is_within


class DataFolder(ConfinedFolder):
    """The files under a data folder, also by names that are not quite theirs; see `ConfinedFolder`.

    Attributes:
        deep: folders of any name, below those of a split, of images or of annotations, are looked through, too.
        parts: folders of free names that are taken for parts of the data set, with all in them.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.deep = False
        self.parts: frozenset[str] = frozenset()
        self._loose: dict[tuple[str, bool], dict[str, list[str]]] = {}
        self._tree: dict[str, list[str]] | None = None
        self._by_leaf: dict[str, list[str]] | None = None

    def files(self, folder: str, suffixes: tuple[str, ...], recursive: bool = False) -> list[str]:
        """Return the files of a folder that end in one of these suffixes (lower case), sorted by name.

        Files and folders whose names begin with a dot are left out: a Mac leaves them beside others. Symbolic links are
        among them unexamined: ask `file` before one is read. Links to folders are not followed.
        """
        folders = [folder]
        if recursive:
            folders = self._inside(posixpath.normpath(folder))
        found = []
        for parent in folders:
            place = posixpath.normpath(parent) if parent else ""
            start = "" if place in ("", ".") else f"{place}/"
            found += [
                start + name
                for name, _ in set(self._listing(place).values())
                if name.lower().endswith(suffixes) and not is_hidden(name)
            ]
        return sorted(found)

    def _inside(self, folder: str) -> list[str]:
        """Return a folder and those in it."""
        if folder in self.tree() or folder == ".":
            return [inner for inner in self.tree() if is_inside(inner, folder)]
        # The tree leaves links out; one that the data name, and that stays in the root, may be followed.
        top = self.root / folder
        return [posixpath.normpath(posixpath.join(folder, os.path.relpath(path, top))) for path, _, _ in os.walk(top)]

    def tree(self) -> dict[str, list[str]]:
        """Return the names of the files in each folder, by its name; links to folders are not followed."""
        if self._tree is None:
            self._tree = {}
            for path, inner, files in os.walk(self.root):
                place = os.path.relpath(path, self.root)
                place = "" if place == "." else place
                inner[:] = sorted(name for name in inner if not is_hidden(name))
                self._tree[place] = [name for name in files if not is_hidden(name)]
        return self._tree

    def holds(self, place: str) -> bool:
        """Return whether a folder is a part of the data set, by its name."""
        if is_within(place) or (self.deep and is_part(place)):
            return True
        return any(is_inside(place, part) for part in self.parts) and not is_of_runs(place)

    def named(
        self, name: str, starts: Sequence[str] = ("",), anywhere: Callable[[str], bool] | None = None
    ) -> tuple[str | None, bool]:
        """Return the file that a name stands for, and whether it is called otherwise than the data say.

        A name that leads nowhere may have been written where the data lay before, or by a system that minds case or
        slashes less: backslashes, upper and lower case, percent signs and leading folders are then looked past, as long
        as one file alone fits.

        Arguments:
            name: as the data have it.
            starts: folders relative to the root that it may be relative to.
            anywhere: take the only file of that name in the whole folder of which this is true, if it is in none of
                these; None does not look.

        Raises:
            FileError: the name leads out of the root, and nothing in it fits.
        """
        outside: FileError | None = None
        try:
            for start in starts:
                if found := self.file(name, start):
                    return found, False
        except FileError as error:
            outside = error
        for tail in tails(name):
            for start in starts:
                if found := self.loosely(tail, start):
                    return found, True
        if anywhere and (found := self._only_one(with_slashes(name).rpartition("/")[2], anywhere)):
            return found, True
        if outside is not None:
            raise outside
        return None, False

    def folder_named(self, name: str) -> str | None:
        """Return the folder that a name stands for, by the rules of `named`, None if there is none."""
        for tail in tails(name):
            # The last folder alone says little, unless it is the name of a split.
            if "/" not in tail and "/" in with_slashes(name).strip("/.") and tail.casefold() not in SPLIT_NAMES:
                continue
            place = ""
            for part in tail.split("/"):
                inner = self._child(place, part, of_folders=True)
                if inner is None:
                    break
                place = posixpath.join(place, inner)
            else:
                return self.folder(place)
        return None

    def loosely(self, name: str, start: str = "") -> str | None:
        """Return the only file whose name is this one but for upper and lower case and percent signs.

        Raises:
            FileError: it is a link that leads out of the root.
        """
        place = start.strip("/")
        *folders, leaf = name.split("/")
        for part in folders:
            inner = self._child(place, part, of_folders=True)
            if inner is None:
                return None
            place = posixpath.join(place, inner)
        found = self._child(place, leaf, of_folders=False)
        return None if found is None else self.file(found, place)

    def _child(self, folder: str, name: str, *, of_folders: bool) -> str | None:
        """Return the only file (or folder) in a folder that a name can stand for; an exact one before others."""
        key = (folder, of_folders)
        if key not in self._loose:
            names = (
                [name for name, _ in set(self._listing(folder).values())] if not of_folders else self._folders(folder)
            )
            by_key: dict[str, list[str]] = {}
            for entry in names:
                by_key.setdefault(loose_name(entry), []).append(entry)
            self._loose[key] = by_key
        fitting = self._loose[key].get(loose_name(name), [])
        if name in fitting:
            return name
        return fitting[0] if len(fitting) == 1 else None

    def _folders(self, folder: str) -> list[str]:
        try:
            with os.scandir(self.root / folder) as entries:
                return [entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name)]
        except (OSError, ValueError):
            return []

    def _only_one(self, leaf: str, accept: Callable[[str], bool]) -> str | None:
        """Return the only file of that name in the whole folder that is accepted."""
        if self._by_leaf is None:
            self._by_leaf = {}
            for place, names in self.tree().items():
                for name in names:
                    self._by_leaf.setdefault(loose_name(name), []).append(posixpath.join(place, name))
        fitting = [file for file in self._by_leaf.get(loose_name(leaf), []) if accept(file)]
        return self.file(fitting[0]) if len(fitting) == 1 else None


def is_there(folder: DataFolder, name: str) -> bool:
    """Return whether a name is that of a file; one that leads out of the folder counts, so that it is reported."""
    try:
        return folder.file(name) is not None
    except FileError:
        return True


def is_inside(place: str, folder: str) -> bool:
    """Return whether a folder's name is that of another folder, or of one in it."""
    return folder in ("", ".") or place == folder or place.startswith(f"{folder}/")
