"""One name for each image in a single folder."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from torchghm.data.folders.file_names import loose_name


def flat_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each image's name one without folders, whose stem no other has, in upper or lower case.

    `a/1.jpg` is `1.jpg`; beside `b/1.jpg` the second is `b__1.jpg`.
    """
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        leaf = posixpath.basename(name)
        stem, suffix = posixpath.splitext(leaf)
        whole = posixpath.splitext(name)[0].replace("/", "__")
        number = 1
        while loose_name(stem) in taken:
            stem = whole if number == 1 else f"{whole}-{number}"
            number += 1
        taken.add(loose_name(stem))
        found[name] = stem + suffix
    return found
