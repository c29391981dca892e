"""`torchghm data convert` and `data split`: a data set in another layout, or with splits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torchghm.data.load import DetectionData
from torchghm.data.new_folder import new_folder
from torchghm.data.records import Records
from torchghm.data.splitting.splits import split_by_seed
from torchghm.data.writing.coco_writing import coco_instances, write_coco_split
from torchghm.data.writing.noisy_data import outside_of
from torchghm.data.writing.voc_writing import write_voc
from torchghm.data.writing.yolo_writing import write_yolo

LAYOUTS = ("coco", "voc", "yolo")


def write_data(data: DetectionData, out: str | os.PathLike[str], *, to: str) -> Path:
    """Write a data set in COCO's, Pascal VOC's or YOLO's layout; key points and masks are left out.

    Images are hard links, or copies where the disk allows none. Boxes come back to a thousandth of a pixel, and so do
    classes, crowds, ids of images, splits and names of files; for what VOC's and YOLO's have no place there is a file
    `torchghm.json` beside them.

    Arguments:
        data: read with `val_fraction=0, test_fraction=0`, it keeps its own splits.
        out: the folder to make, outside of the data's own; there must be none, or an empty one.
        to: "coco", "voc" or "yolo".

    Returns:
        The folder.

    Raises:
        ValueError: an unknown layout, or data that it cannot hold: crowds in YOLO's, unusual splits in VOC's.
        FileExistsError: the folder is there and not empty.
        OSError: an image cannot be read, or the disk is full; nothing is left then.

    Examples:
        >>> write_data(load_data("bccd"), "bccd-yolo", to="yolo")  # doctest: +SKIP
        PosixPath('bccd-yolo')
    """
    out = Path(out)
    if to not in LAYOUTS:
        raise ValueError(f"Expected argument `to` to be one of {', '.join(LAYOUTS)}, but got {to!r}")
    outside_of(data.root, out)
    with new_folder(out, None, "data") as made:
        if to == "coco":
            _write_coco(made, data.splits, data.classes)
        else:
            (write_voc if to == "voc" else write_yolo)(made, data.splits, data.classes)
    return out


def split_data(data: DetectionData, *, val_fraction: float, test_fraction: float, seed: int) -> DetectionData:
    """Return the images of all splits, divided anew.

    Arguments:
        data: of any splits.
        val_fraction: of the images, in [0, 1).
        test_fraction: likewise.
        seed: of the division.

    Raises:
        ValueError: fractions out of their range, or that leave no image to train with.
    """
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"Expected argument `{name}` to be at least 0 and below 1, but got {fraction}")
    images = Records.join(list(data.splits.values()))
    return replace(data, splits=split_by_seed(images, val_fraction, test_fraction, seed))


def _write_coco(folder: Path, splits: Mapping[str, Records], classes: tuple[str, ...]) -> None:
    first = 1
    for split, records in splits.items():
        instances = coco_instances(records, classes, first)
        first += len(instances["annotations"])
        write_coco_split(folder, split, records, instances)
