"""Folders that are made whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(folder: Path, marker: str, kind: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty folder beside `folder` that takes its place at the end, or is removed after an error.

    Arguments:
        folder: the folder to make; there must be none, or an empty one.
        marker: a file by which a folder of this kind is known.
        kind: what such a folder holds, for messages ("scenes").
        overwrite: replace a folder that has the marker. One of anything else is never replaced.

    Raises:
        FileExistsError: the folder is there and may not be replaced.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if not overwrite:
            raise FileExistsError(f"the folder {str(folder)!r} is not empty; remove it, or allow to overwrite it")
        if not (folder / marker).is_file():
            raise FileExistsError(f"the folder {str(folder)!r} does not hold {kind} (no {marker}): not overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        made = Path(aside, "made")
        made.mkdir()
        yield made
        if folder.exists():
            folder.rename(Path(aside, "replaced"))
        made.rename(folder)
