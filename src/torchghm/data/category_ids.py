"""The ids of categories that somebody else's evaluation knows the classes by."""

from __future__ import annotations

import json
from collections.abc import Sequence

from torchghm.data.folders.folder import DataFolder
from torchghm.data.load import DetectionData
from torchghm.data.reading.coco.places import coco_files
from torchghm.data.reading.coco.reader import LARGEST_INSTANCES


def category_ids(classes: Sequence[str], data: DetectionData | None = None) -> list[int | str]:
    """Return the id of each class: COCO's own, as its files write it, else numbers from 1 in the order of the classes.

    Arguments:
        classes: of a detector.
        data: that the detector's results are of. A class that its files don't have gets a number above all of theirs.

    Examples:
        >>> category_ids(("cat", "dog"))
        [1, 2]
    """
    known: dict[str, int | str] = {}
    if data is not None and data.layout == "coco":
        folder = DataFolder(data.root)
        for place in coco_files(folder).values():
            for entry in json.loads(folder.read(place.file, LARGEST_INSTANCES))["categories"]:
                known.setdefault(entry["name"].strip(), entry["id"])
    if not known:
        return list(range(1, len(classes) + 1))
    above = max((number for number in known.values() if isinstance(number, int)), default=0)
    for name in classes:
        if name not in known:
            above += 1
            known[name] = above
    return [known[name] for name in classes]
