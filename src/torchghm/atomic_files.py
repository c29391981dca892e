"""Files that are either the old ones or the new ones, whenever the process is killed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class WriteError(OSError):
    """A file could not be written: a full disk, a folder that may not be written to. What was there is still there."""


LEFT_OVER = re.compile(r"\..+\.\d+")
"""Name of a temporary file: one that is still there is of a process that was killed while it wrote."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary file beside ``path`` that takes its place at the end, or is removed after an error.

    Raises:
        WriteError: the folder can't be written to or the disk is full; what was at ``path`` is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        # Or a power cut may leave a new name on an empty file.
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):  # there is none where its folder could not be made
            temporary.unlink()


def write_error(path: Path, reason: BaseException) -> WriteError:
    """Return what to raise when writing a file failed, for a reason that may not name it."""
    known = reason.strerror if isinstance(reason, OSError) else None
    # Not Path's, which raises where a folder may not be read.
    kept = " (the one before is kept)" if os.path.isfile(path) else ""  # noqa: PTH113
    return WriteError(f"can't write {str(path)!r}{kept}: {known or reason}")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write JSON; numbers that are not finite are refused, because readers refuse them too."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A file name need not be text: what no UTF-8 can say becomes JSON's own escape.
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
