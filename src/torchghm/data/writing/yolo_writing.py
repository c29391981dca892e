"""A data set in YOLO's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from torchghm.data.records import ImageRecord, Records
from torchghm.data.splitting.split_names import SPLIT_NAMES
from torchghm.data.writing.coco_writing import place_image
from torchghm.data.writing.flat_names import flat_names
from torchghm.data.writing.kept import write_kept


def write_yolo(folder: Path, splits: Mapping[str, Records], classes: Sequence[str]) -> None:
    """Write `data.yaml`, `images/<split>/` and `labels/<split>/`; an image without objects gets an empty file.

    The ids of images are kept in a file of ours.

    Raises:
        ValueError: a split that YOLO has no key for, or crowds, which it has no way to write.
    """
    if unknown := [split for split in splits if split not in (*SPLIT_NAMES.values(), "all")]:
        raise ValueError(f"Expected splits that YOLO has keys for, train, val or test, but got {unknown[0]!r}")
    if crowds := sum(int(records.crowd.sum()) for records in splits.values()):
        raise ValueError(
            f"Expected no crowds and difficult objects, which would become background in YOLO's layout, but got "
            f"{crowds}: convert to coco or voc, or say --crowds objects, if each is one object"
        )
    names = flat_names(name for records in splits.values() for name in records.names())
    places = {split: [f"images/{split}/{names[name]}" for name in records.names()] for split, records in splits.items()}
    write_kept(folder, splits, classes, places)
    settings: dict[str, object] = {}
    for split, records in splits.items():
        key = "train" if split == "all" else split
        settings[key] = f"images/{split}"
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        for position, record in enumerate(records):
            name = names[records.name(position)]
            stem = name.rpartition(".")[0] or name
            place_image(record, folder / "images" / split / name)
            (folder / "labels" / split / f"{stem}.txt").write_text(_lines(record), encoding="utf-8")
    settings |= {"nc": len(classes), "names": list(classes)}
    text = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def _lines(record: ImageRecord) -> str:
    lines = []
    for (x1, y1, x2, y2), label in zip(record.boxes.astype(float), record.labels, strict=True):
        x, width = (x1 + x2) / 2 / record.width, (x2 - x1) / record.width
        y, height = (y1 + y2) / 2 / record.height, (y2 - y1) / record.height
        lines.append(f"{label} {x:.9g} {y:.9g} {width:.9g} {height:.9g}\n")
    return "".join(lines)
