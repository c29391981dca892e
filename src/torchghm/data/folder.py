"""The data folder: every file that annotations name is looked up here, so that no name leads out of it."""

from __future__ import annotations

import os
import posixpath
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torchghm.data.file_names import is_hidden, loose_name, normal_name, tails, with_slashes
from torchghm.data.problems import FileError
from torchghm.data.split_names import SPLIT_NAMES


class DataFolder:
    """The files under a data folder, by names relative to it.

    A name is text from a file that somebody else wrote: absolute names, `..` and symbolic links that lead out
    of the folder are refused. Folders are listed once, instead of asking the disk for each file.

    Attributes:
        root: the folder.
        read_names: the files that were read as a whole.
        shards_at: the user's folder or URL of the tar shards, None if they are in the data folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shards_at: str | None = None
        self.read_names: set[str] = set()
        # With a slash at the end, so that /data does not contain /database.
        self._prefixes = tuple(posixpath.join(path, "") for path in (os.path.realpath(root), root.absolute()))
        self._listings: dict[str, dict[str, tuple[str, bool]]] = {}
        self._loose: dict[tuple[str, bool], dict[str, list[str]]] = {}
        self._tree: dict[str, list[str]] | None = None
        self._by_leaf: dict[str, list[str]] | None = None

    def file(self, name: str, start: str = "") -> str | None:
        """Return a regular file's name relative to the root, None if there is none.

        Arguments:
            name: the file as the data name it, relative to `start`.
            start: a folder relative to the root.

        Raises:
            FileError: the name leads out of the root.
        """
        parent, leaf = posixpath.split(self._relative(name, start))
        listing = self._listing(parent)
        entry = listing.get(leaf) or listing.get(normal_name(leaf))
        if entry is None:
            return None
        relative, is_link = posixpath.join(parent, entry[0]), entry[1]
        if is_link:
            self._refuse_outside(relative)
            if not (self.root / relative).is_file():
                return None
        return relative

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

    def folder(self, name: str, start: str = "") -> str | None:
        """Return a folder's name relative to the root, None if there is none.

        Raises:
            FileError: the name leads out of the root.
        """
        relative = self._relative(name, start)
        try:
            is_folder = (self.root / relative).is_dir()
        except (OSError, ValueError):  # a name that no folder can have
            return None
        if not is_folder:
            return None
        self._refuse_outside(relative)
        return relative

    def files(self, folder: str, suffixes: tuple[str, ...], recursive: bool = False) -> list[str]:
        """Return the files of a folder that end in one of these suffixes (lower case), sorted by name.

        Files and folders whose names begin with a dot are left out: a Mac leaves them beside others. Symbolic links are
        among them unexamined: ask `file` before one is read. Links to folders are not followed.
        """
        folders = [folder]
        if recursive:
            folders = [inner for inner in self.tree() if is_inside(inner, posixpath.normpath(folder))]
        return sorted(
            posixpath.normpath(posixpath.join(parent, name))
            for parent in folders
            for name, _ in set(self._listing(posixpath.normpath(parent) if parent else "").values())
            if posixpath.splitext(name)[1].lower() in suffixes and not is_hidden(name)
        )

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

    def read(self, name: str, limit: int | None = None) -> bytes:
        """Return what a file holds.

        Raises:
            FileError: it cannot be read, has more than `limit` bytes, or lies outside the root.
        """
        file = self.file(name)
        if file is None:
            raise FileError("is not a file that can be read")
        path = self.root / file
        self.read_names.add(file)
        try:
            size = path.stat().st_size
            if limit is not None and size > limit:
                raise FileError(f"has {size} bytes, more than {limit}")
            return path.read_bytes()
        except (OSError, MemoryError) as error:
            raise FileError(f"cannot be read: {error}") from error

    def read_text(self, name: str, limit: int) -> str:
        """Return what a file of text holds, UTF-8 or UTF-16 that says so; raises as `read` does."""
        try:
            content = self.read(name, limit)
            return content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
        except UnicodeDecodeError as error:
            raise FileError(f"is not text in UTF-8: {error}") from error

    def lines(self, name: str, longest: int) -> Iterator[bytes]:
        """Yield the lines of a file that need not fit into memory.

        Raises:
            FileError: it cannot be read, has a line of more than `longest` bytes, or lies outside the root.
        """
        file = self.file(name)
        if file is None:
            raise FileError("is not a file that can be read")
        try:
            with (self.root / file).open("rb") as lines:
                while line := lines.readline(longest + 1):
                    if len(line) > longest:
                        raise FileError(f"has a line of more than {longest} bytes")
                    yield line
        except OSError as error:
            raise FileError(f"cannot be read: {error}") from error

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, None if there is none.

        Raises:
            FileError: the name leads out of the root.
        """
        file = self.file(name)
        return None if file is None else (self.root / file).stat().st_size

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

    def _relative(self, name: str, start: str) -> str:
        relative = posixpath.normpath(posixpath.join(start, name))
        for prefix in self._prefixes:
            relative = relative.removeprefix(prefix)
        if posixpath.isabs(relative) or relative == ".." or relative.startswith("../"):
            raise FileError(f"{name!r} leads out of the data folder", "path-outside")
        return "" if relative == "." else relative

    def _refuse_outside(self, relative: str) -> None:
        if not posixpath.join(os.path.realpath(self.root / relative), "").startswith(self._prefixes[0]):
            raise FileError(f"{relative!r} is a symbolic link that leads out of the data folder", "path-outside")

    def _listing(self, folder: str) -> dict[str, tuple[str, bool]]:
        """Return a folder's files: from the name to the name as stored and whether it is a symbolic link."""
        if folder not in self._listings:
            self._listings[folder] = self._scan(folder)
        return self._listings[folder]

    def _scan(self, folder: str) -> dict[str, tuple[str, bool]]:
        try:
            entries = os.scandir(self.root / folder)
        except (OSError, ValueError):  # not there, or a name that no folder can have
            return {}
        with entries:
            links = {entry.name: entry.is_symlink() for entry in entries if entry.is_symlink() or entry.is_file()}
        if links:
            self._refuse_outside(folder)
        listing = {name: (name, is_link) for name, is_link in links.items()}
        for name, entry in list(listing.items()):
            listing.setdefault(normal_name(name), entry)
        return listing


def is_there(folder: DataFolder, name: str) -> bool:
    """Whether a name is that of a file; one that leads out of the folder counts, so that it is reported."""
    try:
        return folder.file(name) is not None
    except FileError:
        return True


def is_inside(place: str, folder: str) -> bool:
    """Whether a folder's name is that of another folder, or of one in it."""
    return folder in ("", ".") or place == folder or place.startswith(f"{folder}/")
