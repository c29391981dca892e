"""`torchghm data noise`: a data set with known errors in its training labels."""

from __future__ import annotations

import os
from pathlib import Path

from torchghm.data.label_noise import add_label_noise
from torchghm.data.load import DetectionData
from torchghm.data.new_folder import new_folder
from torchghm.data.writing.coco_writing import coco_instances, write_coco_split, write_json

NOISE_FILE = "label_noise.json"


def write_noisy(data: DetectionData, out: str | os.PathLike[str], *, rate: float, seed: int = 0) -> Path:
    """Write a data set in COCO's layout whose training labels are wrong at a known rate.

    A quarter each of the errors are wrong classes, shifted, missing and spurious boxes; with one class there are no
    wrong classes, and a third each. All other splits are as they were, so that AP is measured by right labels. The
    order of the classes stays; objects that VOC calls difficult become COCO's crowds. A split "trainval", which has the
    right labels of the training images, is left out, and so are key points and masks. Images are hard links, or copies
    where the disk allows none.

    Arguments:
        data: what `load_data` returned; a split that was taken from the training images stays clean too.
        out: the folder to make, outside of the data's own; there must be none, or an empty one.
        rate: wrong labels as a fraction of the training labels, in [0, 1).
        seed: of the choice, at least 0. The same seed gives the same errors.

    Returns:
        The folder. Its `label_noise.json` lists each error, in the form that `write_scenes` has.

    Raises:
        ValueError: an argument out of its range, or data without the split "train".
        FileExistsError: the folder is there and not empty.
        OSError: an image cannot be read, or the disk is full; nothing is left then.

    Examples:
        >>> write_noisy(load_data("bccd"), "bccd-noisy", rate=0.2)  # doctest: +SKIP
        PosixPath('bccd-noisy')
    """
    out = Path(out)
    if not 0 <= rate < 1:
        raise ValueError(f"Expected argument `rate` to be at least 0 and below 1, but got {rate}")
    if seed < 0:
        raise ValueError(f"Expected argument `seed` to be at least 0, but got {seed}")
    if "train" not in data.splits:
        has = ", ".join(map(repr, data.splits)) or "none"
        raise ValueError(f"Expected data with the split 'train', but got {data.root}, which has {has}")
    outside_of(data.root, out)
    next_id, splits = 1, {}
    parts = {split: records for split, records in data.splits.items() if split != "trainval"}
    for split, records in parts.items():
        splits[split] = coco_instances(records, data.classes, next_id)
        next_id += len(splits[split]["annotations"])
    splits["train"], changes = add_label_noise(splits["train"], rate, seed, next_id)
    with new_folder(out, None, "data") as made:
        for split, records in parts.items():
            write_coco_split(made, split, records, splits[split])
        write_json(made / NOISE_FILE, {"rate": rate, "changes": changes})
    return out


def outside_of(root: Path, out: Path) -> None:
    """Refuse a folder to make that is the data's own, or lies in it.

    Raises:
        ValueError: that it is.
    """
    if out.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"Expected a folder outside of the data in {str(root)!r}, but got {str(out)!r}")
