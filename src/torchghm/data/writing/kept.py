"""A file beside VOC's and YOLO's layouts for what they have no place for: ids of images, the order of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError
from torchghm.data.records import Records

KEPT_FILE = "torchghm.json"
LARGEST_KEPT = 256 * 2**20


def write_kept(
    folder: Path, splits: Mapping[str, Records], classes: Sequence[str], places: Mapping[str, Sequence[str]]
) -> None:
    """Write the file.

    Arguments:
        folder: of the new data set.
        splits: the images.
        classes: names, in order.
        places: of each split, where its images lie now, relative to the folder.
    """
    ids = {
        place: int(image_id)
        for split, records in splits.items()
        for place, image_id in zip(places[split], records.image_ids, strict=True)
    }
    content = {"classes": list(classes), "image_ids": ids}
    (folder / KEPT_FILE).write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def read_kept(folder: DataFolder) -> tuple[list[str], dict[str, int]]:
    """Return the classes and the id of each image, both empty if there is no such file.

    Raises:
        FileError: the file is not what `write_kept` writes.
    """
    if folder.file(KEPT_FILE) is None:
        return [], {}
    try:
        content = json.loads(folder.read_text(KEPT_FILE, LARGEST_KEPT))
    except (ValueError, RecursionError) as error:
        raise FileError(f"is not JSON: {error}") from error
    classes, ids = (content.get(key) if isinstance(content, dict) else None for key in ("classes", "image_ids"))
    if not isinstance(classes, list) or not all(isinstance(name, str) and name for name in classes):
        raise FileError("expected a list of names under the key 'classes'")
    if not isinstance(ids, dict) or not all(type(number) is int and abs(number) < 2**63 for number in ids.values()):
        raise FileError("expected whole numbers by image under the key 'image_ids'")
    if len(set(classes)) < len(classes):
        raise FileError("expected different names under the key 'classes'")
    return classes, ids
