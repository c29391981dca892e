"""Findings: labels that are probably wrong, each with what to put in their place; as a table and in COCO's form."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torchghm.atomic_files import write_json, write_text
from torchghm.data.records import Records

Kind = Literal["wrong class", "misplaced", "spurious", "missing", "duplicate"]
KINDS: tuple[Kind, ...] = ("wrong class", "misplaced", "spurious", "missing", "duplicate")
CSV_FILE, JSON_FILE = "findings.csv", "findings.json"
COLUMNS = (
    "finding", "kind", "score", "image", "image_id", "annotation", "class", "x1", "y1", "x2", "y2",
    "suggested_class", "suggested_x1", "suggested_y1", "suggested_x2", "suggested_y2",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Box = tuple[float, float, float, float]


class Finding(NamedTuple):
    """One label that is probably wrong, or one that is probably missing."""

    kind: Kind
    score: float
    """Probability in [0, 1] that the label is wrong."""
    image: int
    """Place of the image in the records."""
    annotation: int
    """Place of the label among all of the records; -1 of a missing one."""
    label: int
    """Its class; -1 of a missing one."""
    box: Box | None
    """Its box, xyxy in pixels; None of a missing one."""
    suggested_label: int
    """The class instead; -1 where the label should go."""
    suggested_box: Box | None
    """The box instead; None where the label should go."""
    trajectory: tuple[float, ...] = ()
    """The gradient norm at eight times of the training, NaN where it was not seen; empty without a memory."""

    @property
    def name(self) -> str:
        """Name in a decision: the same for the same run and data."""
        if self.annotation >= 0:
            return f"{self.kind.replace(' ', '-')}-{self.annotation}"
        assert self.suggested_box is not None
        return f"missing-{self.image}-" + "-".join(f"{side:.0f}" for side in self.suggested_box)


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings by falling score; those of equal score in the order of the data."""
    return sorted(findings, key=lambda found: (-found.score, found.image, found.annotation, found.name))


def write_csv(path: Path, findings: Sequence[Finding], records: Records, classes: Sequence[str]) -> None:
    """Write one line a finding; text that a spreadsheet would take for a formula gets an apostrophe before it."""
    file = io.StringIO(newline="")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    names = [_cell(name) for name in classes]
    for found in findings:
        table.writerow(
            [
                found.name,
                found.kind,
                f"{found.score:.4f}",
                _cell(records.name(found.image)),
                int(records.image_ids[found.image]),
                found.annotation if found.annotation >= 0 else "",
                names[found.label] if found.label >= 0 else "",
                *_sides(found.box),
                names[found.suggested_label] if found.suggested_label >= 0 else "",
                *_sides(found.suggested_box),
            ]
        )
    write_text(path, file.getvalue().encode("utf-8", "backslashreplace").decode("utf-8"))


def write_coco_findings(path: Path, findings: Sequence[Finding], records: Records, classes: Sequence[str]) -> None:
    """Write COCO's instances with an annotation for each finding: its label where there is one, else the suggestion.

    Beside COCO's keys each has ``kind``, ``score``, ``annotation`` (the place of the label among those of the training
    images, from 0), ``finding``, ``suggested_category_id`` and ``suggested_bbox`` (None where the label should go).
    """
    images = dict.fromkeys(found.image for found in findings)
    write_json(
        path,
        {
            "images": [
                {
                    "id": int(records.image_ids[image]),
                    "file_name": records.name(image),
                    "width": int(records.widths[image]),
                    "height": int(records.heights[image]),
                }
                for image in images
            ],
            "categories": [{"id": label + 1, "name": name} for label, name in enumerate(classes)],
            "annotations": [_annotation(number, found, records) for number, found in enumerate(findings, start=1)],
        },
    )


def _annotation(number: int, found: Finding, records: Records) -> dict[str, Any]:
    box = found.box or found.suggested_box
    assert box is not None
    x1, y1, x2, y2 = box
    return {
        "id": number,
        "image_id": int(records.image_ids[found.image]),
        "category_id": (found.label if found.label >= 0 else found.suggested_label) + 1,
        "bbox": _xywh(box),
        "area": round((x2 - x1) * (y2 - y1), 2),
        "iscrowd": 0,
        "finding": found.name,
        "kind": found.kind,
        "score": round(found.score, 4),
        "annotation": found.annotation if found.annotation >= 0 else None,
        "suggested_category_id": found.suggested_label + 1 if found.suggested_label >= 0 else None,
        "suggested_bbox": None if found.suggested_box is None else _xywh(found.suggested_box),
    }


def _xywh(box: Box) -> list[float]:
    x1, y1, x2, y2 = box
    return [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)]


def _sides(box: Box | None) -> list[str]:
    return ["", "", "", ""] if box is None else [f"{side:.2f}" for side in box]


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
