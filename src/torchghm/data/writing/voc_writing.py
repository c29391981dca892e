"""A data set in Pascal VOC's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from torchghm.data.records import ImageRecord, Records
from torchghm.data.splitting.split_names import SPLIT_NAMES
from torchghm.data.writing.coco_writing import place_image
from torchghm.data.writing.flat_names import flat_names
from torchghm.data.writing.kept import write_kept


def write_voc(folder: Path, splits: Mapping[str, Records], classes: Sequence[str]) -> None:
    """Write `Annotations/`, `JPEGImages/` and `ImageSets/Main/`; crowds become difficult objects.

    The ids of images and the order of classes are kept in a file of ours.

    Raises:
        ValueError: a split, class or image that VOC has no name for.
    """
    if unknown := [split for split in splits if split not in (*SPLIT_NAMES.values(), "all")]:
        raise ValueError(
            f"Expected splits that VOC has lists for, train, val, test or trainval, but got {unknown[0]!r}"
        )
    for name in classes:
        if name != name.strip() or not name.isprintable():
            raise ValueError(f"Expected class names that XML can hold, but got {name!r}")
    names = flat_names(name for records in splits.values() for name in records.names())
    for name in names.values():
        if name != name.strip() or not name.isprintable():
            raise ValueError(f"Expected names of images that VOC's lists and XML can hold, but got {name!r}")
    for place in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    places = {split: [f"JPEGImages/{names[name]}" for name in records.names()] for split, records in splits.items()}
    write_kept(folder, splits, classes, places)
    for split, records in splits.items():
        stems = []
        for position, record in enumerate(records):
            name = names[records.name(position)]
            stem = name.rpartition(".")[0] or name
            stems.append(stem)
            xml = folder / "Annotations" / f"{stem}.xml"
            if not xml.exists():  # an image may be in several splits
                xml.write_text(_xml(record, name, classes), encoding="utf-8")
                place_image(record, folder / "JPEGImages" / name)
        if split != "all":
            lines = "".join(f"{stem}\n" for stem in stems)
            (folder / "ImageSets" / "Main" / f"{split}.txt").write_text(lines, encoding="utf-8")


def _xml(record: ImageRecord, name: str, classes: Sequence[str]) -> str:
    objects = "".join(
        f"  <object>\n    <name>{escape(classes[label])}</name>\n    <difficult>{int(crowd)}</difficult>\n    <bndbox>"
        + "".join(
            f"<{corner}>{_number(value)}</{corner}>"
            for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        + "</bndbox>\n  </object>\n"
        for box, label, crowd in zip(record.boxes, record.labels, record.crowd, strict=True)
    )
    size = f"<size><width>{record.width}</width><height>{record.height}</height><depth>3</depth></size>"
    return f"<annotation>\n  <filename>{escape(name)}</filename>\n  {size}\n{objects}</annotation>\n"


def _number(value: float) -> str:
    return f"{float(value):.4f}".rstrip("0").rstrip(".")
