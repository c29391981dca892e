"""The ids of images that somebody else's evaluation knows them by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torchghm.data.load import DetectionData
from torchghm.data.writing.kept import KEPT_FILE

LAYOUTS_WITH_IDS = ("coco", "shards")


def ids_by_name(files: Sequence[Path]) -> list[int | str]:
    """Return an id for each image file: its name without the suffix, as a number if that is digits alone.

    COCO's own files are called so, and so are VOC's. Where two files have one id, all are known by their paths.

    Arguments:
        files: of images.

    Examples:
        >>> ids_by_name([Path("val2017/000000000139.jpg"), Path("2007_000027.jpg")])
        [139, '2007_000027']
    """
    ids: list[int | str] = [
        int(file.stem) if file.stem.isascii() and file.stem.isdigit() and len(file.stem) <= 18 else file.stem
        for file in files
    ]
    return ids if len(set(ids)) == len(ids) else [str(file) for file in files]


def ids_of_data(data: DetectionData, files: Sequence[Path]) -> list[int | str]:
    """Return the id that a data set has for each image file.

    That is COCO's id, or the one that `torchghm.json` keeps; other layouts have none but the file's name.

    Arguments:
        data: the images are of it.
        files: of images.

    Raises:
        ValueError: a file that is no image of the data.
    """
    known = {
        (data.root / records.name(index)).resolve(): records.own_id(index)
        for records in data.splits.values()
        for index in range(len(records))
    }
    for file in files:
        if file.resolve() not in known:
            raise ValueError(f"Expected images of the data set {str(data.root)!r}, but got {str(file)!r}")
    has_ids = data.layout in LAYOUTS_WITH_IDS or (data.root / KEPT_FILE).is_file()
    return [known[file.resolve()] for file in files] if has_ids else ids_by_name(files)
