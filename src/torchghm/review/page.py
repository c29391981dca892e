"""The page on which a person decides: a gallery of crops that needs neither a server nor a network."""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from PIL import Image

from torchghm.atomic_files import write_text
from torchghm.data.images import ImageError, read_image
from torchghm.data.records import Records
from torchghm.review.correcting import FORM
from torchghm.review.findings import KINDS, Box, Finding

PAGE_FILE = "review.html"
CROP_SIDE = 160
"""Longest side of a crop in pixels."""
CROP_BYTES = 20 * 2**20
"""Limit of all crops together; of further findings the page shows the image's own file, if it is one."""
MARGIN = 0.4
"""Margin of a crop around its boxes, in parts of their longer side."""


def write_page(
    path: Path,
    findings: Sequence[Finding],
    records: Records,
    classes: Sequence[str],
    *,
    title: str,
    note: str = "",
    place: Path | None = None,
) -> None:
    """Write the page of these findings, in their order.

    Arguments:
        path: the file.
        findings: worst first.
        records: the images that they are about.
        classes: names of the labels.
        title: above all.
        note: a sentence below it.
        place: the folder that the page will be in, if it is written elsewhere first.

    Raises:
        WriteError: it can't be written.
    """
    crops, of_finding = _crops(findings, records)
    images = list(dict.fromkeys(found.image for found in findings))
    position = {image: index for index, image in enumerate(images)}
    content = {
        "form": FORM,
        "kinds": KINDS,
        "classes": list(classes),
        "images": [
            [
                records.name(image),
                int(records.widths[image]),
                int(records.heights[image]),
                _address(records, image, place or path.parent),
            ]
            for image in images
        ],
        "crops": crops,
        "findings": [
            [
                found.name,
                KINDS.index(found.kind),
                round(found.score, 3),
                position[found.image],
                found.annotation,
                found.label,
                _rounded(found.box),
                found.suggested_label,
                _rounded(found.suggested_box),
                [None if math.isnan(level) else round(100 * level) for level in found.trajectory],
                of_finding.get(number, -1),
            ]
            for number, found in enumerate(findings)
        ],
    }
    # In a script element only "<" could end it, or open a comment.
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = files("torchghm.review") / "page_files"
    template = Template((parts / "page.html").read_text("utf-8"))
    write_text(
        path,
        template.substitute(
            css=(parts / "page.css").read_text("utf-8"),
            js=(parts / "page.js").read_text("utf-8"),
            title=_shown(title),
            note=_shown(note),
            findings=text,
        ),
    )


def _crops(findings: Sequence[Finding], records: Records) -> tuple[list[list[Any]], dict[int, int]]:
    """Return crops (x1, y1, x2, y2 and a JPEG in base64) of the first findings, and which finding has which."""
    crops: list[list[Any]] = []
    of_finding: dict[int, int] = {}
    by_image: dict[int, list[int]] = {}
    for number, found in enumerate(findings[: CROP_BYTES // 2000]):
        by_image.setdefault(found.image, []).append(number)
    size = 0
    for image, numbers in by_image.items():  # in the order of their worst finding
        try:
            record = records[image]
            pixels = Image.fromarray(read_image(record.source, expected_size=(record.width, record.height)))
        except ImageError:  # gone since the training; the boxes are still worth a look
            continue
        for number in numbers:
            crop = _crop(pixels, findings[number])
            size += len(crop[4])
            if size > CROP_BYTES:
                return crops, of_finding
            of_finding[number] = len(crops)
            crops.append(crop)
    return crops, of_finding


def _crop(pixels: Image.Image, found: Finding) -> list[Any]:
    boxes = [box for box in (found.box, found.suggested_box) if box is not None]
    left, top = (min(box[side] for box in boxes) for side in (0, 1))
    right, bottom = (max(box[side] for box in boxes) for side in (2, 3))
    margin = MARGIN * max(right - left, bottom - top, 8)
    view = (
        max(0, math.floor(left - margin)),
        max(0, math.floor(top - margin)),
        min(pixels.width, math.ceil(right + margin)),
        min(pixels.height, math.ceil(bottom + margin)),
    )
    part = pixels.crop(view)
    part.thumbnail((CROP_SIDE, CROP_SIDE))
    file = io.BytesIO()
    part.save(file, format="JPEG", quality=70)
    return [*view, base64.b64encode(file.getvalue()).decode("ascii")]


def _address(records: Records, image: int, folder: Path) -> str | None:
    """Return where the page finds the image's own file; None in a tar shard."""
    record = records[image]
    if record.member is not None:
        return None
    return quote(os.path.relpath(record.path.absolute(), folder.absolute()).replace(os.sep, "/"), errors="replace")


def _rounded(box: Box | None) -> list[float] | None:
    return None if box is None else [round(side, 2) for side in box]


def _shown(text: str) -> str:
    return escape(text.encode("utf-8", "replace").decode("utf-8"))
