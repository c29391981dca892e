"""Describe a folder that no reader knows."""

from __future__ import annotations

import posixpath
from collections import Counter

from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import examples

KINDS = {
    ".xml": "XML files",
    ".json": "JSON files",
    ".txt": "text files",
    ".csv": "CSV files",
    ".yaml": "YAML files",
    **dict.fromkeys((".gz", ".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz"), "packed files (unpack them)"),
}
MOST = 6


def what_is_there(folder: DataFolder) -> str:
    """Return which kinds of files lie where: "12 images and 12 XML files in train/"."""
    found = []
    for place, names in folder.tree().items():
        counts: Counter[str] = Counter()
        for name in names:
            suffix = posixpath.splitext(name)[1].lower()
            counts["images" if suffix in SUFFIXES else KINDS.get(suffix, "other files")] += 1
        if counts:
            kinds = " and ".join(f"{count} {kind}" for kind, count in counts.most_common(3))
            found.append(f"{kinds} in {place or '.'}/")
    return f"none of them, but {examples(found, MOST)}" if found else "none: there is no file in it"
