"""Spellings of a file name by other systems, other tools, and in other places."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote


def normal_name(name: str) -> str:
    """Return the composed spelling of a name: by the system, an accented letter is one code point or two."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def loose_name(name: str) -> str:
    """Return a name without regard to case, blanks around it, percent signs, and how accents are written."""
    try:
        plain = unquote(name, errors="strict") if "%" in name else name
    except UnicodeDecodeError:
        plain = name
    return normal_name(plain).casefold().strip()


def with_slashes(name: str) -> str:
    r"""Return a name of Windows with slashes: `images\a.jpg` is `images/a.jpg`."""
    return name.replace("\\", "/")


def without_id(name: str) -> str:
    """Return a name without the id that Label Studio puts before those of files: `3a7b12cd-a.jpg` is `a.jpg`."""
    folder, leaf = posixpath.split(with_slashes(name))
    match = re.fullmatch(r"[0-9a-f]{8}-(.+)", leaf)
    return posixpath.join(folder, match[1]) if match else name


def tails(name: str) -> Iterator[str]:
    """Yield what may be left of a name whose first folders are those of somebody else's machine, longest first.

    `C:/Users/x/data/a.jpg` may be `Users/x/data/a.jpg`, `x/data/a.jpg`, `data/a.jpg` and `a.jpg`.
    """
    parts = [part for part in with_slashes(name).split("/") if part not in ("", ".", "..")]
    if len(parts) > 40:  # no file lies so deep
        return
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is one that systems leave beside others: `._a.jpg`, `.DS_Store`, `__MACOSX`."""
    return name.startswith(".") or name == "__MACOSX"
