"""Folders that are made whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torchghm.atomic_files import WriteError, write_error


@contextmanager
def new_folder(folder: Path, marker: str, kind: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty folder beside `folder` that takes its place at the end, or is removed after an error.

    Files are written to it as to any other: an error of doing so names `folder`, which is then as it was.

    Arguments:
        folder: the folder to make; there must be none, or an empty one.
        marker: a file by which a folder of this kind is known.
        kind: what such a folder holds, for messages ("scenes").
        overwrite: replace a folder that has the marker. One of anything else is never replaced.

    Raises:
        FileExistsError: the folder is there and may not be replaced.
        WriteError: the disk is full, or the place may not be written to.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if not overwrite:
            raise FileExistsError(
                f"the folder {str(folder)!r} is not empty: name another, or replace what it holds with --overwrite"
            )
        if not (folder / marker).is_file():
            raise FileExistsError(f"the folder {str(folder)!r} does not hold {kind} (no {marker}): not overwritten")
    aside = ""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
            made = Path(aside, "made")
            made.mkdir()
            yield made
            if folder.exists():
                folder.rename(Path(aside, "replaced"))
            made.rename(folder)
    except OSError as error:
        # A full disk's names no file, and what is made here has a name that no user knows; other files are read.
        elsewhere = aside and error.filename is not None and not Path(os.fsdecode(error.filename)).is_relative_to(aside)
        if elsewhere or isinstance(error, WriteError):
            raise
        raise write_error(folder, error) from error
