"""The data folder: every file that annotations name is looked up here, so that no name leads out of it."""

from __future__ import annotations

import os
import posixpath
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path

from torchghm.data.folders.file_names import normal_name
from torchghm.data.problems import FileError


class ConfinedFolder:
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

    def head(self, name: str, length: int) -> bytes:
        """Return the first bytes of a file, none of one that cannot be read: enough to tell what it is."""
        try:
            found = self.file(name)
            if found is None:
                return b""
            with (self.root / found).open("rb") as content:
                return content.read(length)
        except (FileError, OSError):
            return b""

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
