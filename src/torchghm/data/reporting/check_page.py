"""`torchghm data check --html`: what a person looks at before training, in one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from torchghm.atomic_files import write_text
from torchghm.data.images import ImageError, read_image
from torchghm.data.problem_kinds import KINDS
from torchghm.data.problems import Sample
from torchghm.data.records import ImageRecord, Records
from torchghm.data.reporting.check import DataCheck
from torchghm.printable import printable

WIDEST = 340
OBJECT, CONTEXT, CROWD = "#e4572e", "#2e86e4", "#999999"
EXTREMES = 4
STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#222}
table{border-collapse:collapse}td,th{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left}
td.n{text-align:right}figure{display:inline-block;margin:.4rem .8rem .4rem 0;max-width:340px;vertical-align:top}
figcaption{font-size:13px;overflow-wrap:anywhere}.error{color:#b3261e;font-weight:600}
.warning{color:#8a5a00;font-weight:600}
.note{color:#1b5e8a}code{overflow-wrap:anywhere}"""

Box = Sequence[float]


def write_check_page(check: DataCheck, path: Path) -> Path:
    """Write a page with counts, all problems, and drawn samples.

    There is a sample of every class, of every problem that has a place in an image, and of the smallest and largest
    boxes. The boxes in question are red, others blue, crowds grey. The page is one file that needs no network.

    Arguments:
        check: what `check_data` found.
        path: the HTML file.

    Raises:
        WriteError: it cannot be written.
    """
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_text(check.root.name)}</title>",
        f"<style>{STYLE}</style><h1>{_text(str(check.root))}</h1><p>layout {_text(check.layout)}: ",
        "usable" if check.usable else "<span class=error>not usable</span>",
        "</p>",
        *_counts(check),
        *_problems(check),
    ]
    if check.data is not None and check.data.splits:
        records = Records.join(list(check.data.splits.values()))
        parts += [*_classes(records, check.classes), *_extremes(records, check.classes)]
    write_text(path, "\n".join(parts) + "</html>\n")
    return path


def _counts(check: DataCheck) -> Iterator[str]:
    if not check.splits:
        return
    headings = ("split", "images", "without boxes", "boxes", "crowds", "small", "medium", "large")
    yield "<h2>Splits</h2><table><tr>" + "".join(f"<th>{heading}" for heading in headings)
    for name, count in check.splits.items():
        numbers = (count.images, count.images_without_boxes, count.boxes, count.crowds, count.small, count.medium,
                   count.large)  # fmt: skip
        yield f"<tr><td>{_text(name)}" + "".join(f"<td class=n>{number:,}" for number in numbers)
    yield "</table><h2>Boxes by class</h2><table><tr><th>class" + "".join(f"<th>{_text(name)}" for name in check.splits)
    for label, name in enumerate(check.classes):
        yield f"<tr><td>{_text(name)}" + "".join(f"<td class=n>{c.by_class[label]:,}" for c in check.splits.values())
    yield "</table>"


def _problems(check: DataCheck) -> Iterator[str]:
    yield "<h2>Problems</h2>"
    if not check.problems:
        yield "<p>no problems found</p>"
    for what in dict.fromkeys(problem.what for problem in check.problems):
        same = [problem for problem in check.problems if problem.what == what]
        kind = KINDS[what]
        count = sum(problem.count for problem in same)
        yield f"<h3><span class={kind.severity}>{what}</span> ({count:,})</h3>"
        yield f"<p>{_text(kind.meaning)}. To do: {_text(kind.remedy)}.</p><ul>"
        yield from (f"<li><code>{_text(f'{problem.file}: {problem.detail}')}</code>" for problem in same[:5])
        yield f"<li>... and {len(same) - 5} more</ul>" if len(same) > 5 else "</ul>"
        for sample in [problem.sample for problem in same if problem.sample is not None][:2]:
            yield from _sample_of_problem(check, sample)


def _sample_of_problem(check: DataCheck, sample: Sample) -> Iterator[str]:
    try:
        pixels = read_image(check.root / sample.image)
    except ImageError:
        return
    yield _figure(pixels, [(sample.box, OBJECT)] if sample.box is not None else [], sample.image)


def _classes(records: Records, classes: Sequence[str]) -> Iterator[str]:
    yield "<h2>A sample of every class</h2>"
    image_of = np.repeat(np.arange(len(records)), np.diff(records.offsets))
    sides = records.boxes[:, 2:] - records.boxes[:, :2]
    size = sides.prod(axis=1)
    for label, name in enumerate(classes):
        own = np.flatnonzero((records.labels == label) & ~records.crowd)
        if len(own):
            middle = own[np.argsort(size[own])[len(own) // 2]]  # neither the smallest nor the largest
            yield from _sample(records, int(image_of[middle]), label, name)


def _extremes(records: Records, classes: Sequence[str]) -> Iterator[str]:
    image_of = np.repeat(np.arange(len(records)), np.diff(records.offsets))
    own = np.flatnonzero(~records.crowd)
    order = own[np.argsort((records.boxes[own, 2:] - records.boxes[own, :2]).prod(axis=1), kind="stable")]
    for title, chosen in (("The smallest boxes", order[:EXTREMES]), ("The largest boxes", order[::-1][:EXTREMES])):
        yield f"<h2>{title}</h2>"
        for index in chosen.tolist():
            box = records.boxes[index]
            width, height = box[2:] - box[:2]
            words = f"{classes[records.labels[index]]}, {width:.4g} x {height:.4g} pixels"
            yield from _sample(records, int(image_of[index]), None, words, box)


def _sample(records: Records, image: int, label: int | None, words: str, box: Box | None = None) -> Iterator[str]:
    record = records[image]
    try:
        pixels = read_image(record.source)
    except ImageError:
        return
    yield _figure(pixels, _drawn(record, label, box), f"{words}: {records.name(image)}")


def _drawn(record: ImageRecord, label: int | None, box: Box | None) -> list[tuple[Box, str]]:
    drawn = []
    for other, of_class, crowd in zip(record.boxes, record.labels, record.crowd, strict=True):
        colour = CROWD if crowd else OBJECT if of_class == label else CONTEXT
        drawn.append((other.tolist(), colour))
    return drawn if box is None else [*drawn, (box, OBJECT)]


def _figure(pixels: np.ndarray, boxes: Sequence[tuple[Box, str]], words: str) -> str:
    image = Image.fromarray(pixels)
    scale = min(1.0, WIDEST / image.width, WIDEST / image.height)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    draw = ImageDraw.Draw(image)
    for box, colour in boxes:
        x1, y1, x2, y2 = (min(max(float(side) * scale, -9.0), 9999.0) for side in box)
        draw.rectangle((x1 - 1, y1 - 1, max(x1, x2), max(y1, y2)), outline=colour, width=2)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    source = base64.b64encode(file.getvalue()).decode()
    return f'<figure><img alt="" src="data:image/jpeg;base64,{source}"><figcaption>{_text(words)}</figcaption></figure>'


def _text(text: str) -> str:
    return escape(printable(" ".join(text.split())))
