"""Folders that are made whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torchghm.atomic_files import WriteError, write_error


@contextmanager
def new_folder(folder: Path, marker: str | None, kind: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty folder beside `folder` that takes its place at the end, or is removed after an error.

    Files are written to it as to any other: an error of doing so names `folder`, which is then as it was.

    Arguments:
        folder: the folder to make; there must be none, or an empty one.
        marker: a file by which a folder of this kind is known; None if no folder is ever replaced.
        kind: what such a folder holds, for messages ("scenes").
        overwrite: replace a folder that has the marker. One of anything else is never replaced.

    Raises:
        FileExistsError: the folder is there and may not be replaced.
        WriteError: the disk is full, or the place may not be written to.
    """
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty:
        if marker is None:
            raise FileExistsError(f"Expected no {str(folder)!r}, or an empty folder: nothing is overwritten")
        if not (folder / marker).is_file():
            what = "folder" if folder.is_dir() else "file"
            raise FileExistsError(f"the {what} {str(folder)!r} does not hold {kind} (no {marker}): not overwritten")
        if not overwrite:
            raise FileExistsError(
                f"the folder {str(folder)!r} is not empty: name another, or replace the {kind} in it with --overwrite"
            )
    place, aside = folder.absolute(), ""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as aside:
            made = Path(aside, "made")
            made.mkdir()
            yield made
            if empty:  # and may be where a disk is mounted, or where the user stands
                for entry in sorted(made.iterdir(), key=lambda entry: entry.name == marker):  # the marker last
                    shutil.move(entry, place / entry.name)
                return
            if place.exists():
                place.rename(Path(aside, "replaced"))
            made.rename(place)
    except OSError as error:
        if isinstance(error, WriteError) or not _of_writing(error, place, aside):
            raise
        raise write_error(folder, error) from error


def _of_writing(error: OSError, place: Path, aside: str) -> bool:
    """Return whether an error is of this folder: other files are read meanwhile, and a full disk's error names none."""
    if error.errno is None:  # raised by ourselves, with words of its own
        return False
    if error.filename is None or not aside:
        return True
    file = Path(os.fsdecode(error.filename))
    return file.is_relative_to(aside) or file.is_relative_to(place)
