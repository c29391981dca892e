"""Recognise by all boxes together whether they are corners or sides, pixels or fractions.

One box proves nothing: it may stick out of an image by a mistake, and a small object may be a pixel wide. So each
question is asked of all boxes, and of the boxes of each class, which one person or tool may have written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchghm.data.assumptions import BOX_FORMS
from torchghm.data.repairing.boxes import TOLERANCE, below_a_pixel, in_order, to_corners

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FEWEST = 3
"""Boxes of a class that say something about it."""
MOST = 0.98
"""Share of the boxes that have to fit another form, where a few may be plain mistakes."""
MANY = 0.3
"""Share of the boxes that may not fit the form of the layout."""
WHOLES = (100, 1000)
"""The whole side of an image, where places are stated in percent or thousandths."""
ENOUGH = 20
"""Boxes that would hardly keep to a part of their images by chance."""
JUDGED = 100_000
"""Boxes of a group that are judged, evenly drawn: shares of more are the same, and take memory."""
ASKED = 2000
"""Boxes that are asked for whole pixels."""


class Doubt(NamedTuple):
    """Boxes that look like something else: the kind of problem, which boxes, and why."""

    what: str
    boxes: Flags
    words: str


def doubts(
    raw: Floats, sizes: NDArray[np.int64], labels: NDArray[np.int64], areas: Floats, form: str, unit: str
) -> list[Doubt]:
    """Return what boxes look like, where that is not the form of their layout; empty if all is well.

    Arguments:
        raw: `[n, 4]`, as they are written.
        sizes: `[n, 2]`, width and height of the image of each box, 0 if unknown.
        labels: `[n]`.
        areas: `[n]`, that the file states for the object, 0 if it states none.
        form: "xyxy", "xywh" or "cxcywh".
        unit: "pixels" or "fractions".
    """
    judged = np.asarray(np.isfinite(raw).all(axis=1) & (sizes > 0).all(axis=1))
    if not judged.any():
        return []
    questions = [_unit, _sides_for_corners if form == "xyxy" else _corners_for_sides, _out_of_the_image, _exchanged]
    for question in questions:
        found = np.zeros(len(raw), bool)
        words = what = ""
        for group in _groups(labels, judged):
            some = group[:: -(-len(group) // JUDGED)]
            with np.errstate(over="ignore", invalid="ignore"):  # sums near the largest float: outside of any image
                answer = question(raw[some], sizes[some], areas[some], form, unit)
            if answer is not None:
                what, words = answer
                found[group] = True
        if found.any():
            return [Doubt(what, found, words)]
    return []


def _groups(labels: NDArray[np.int64], judged: Flags) -> Iterator[NDArray[np.int64]]:
    yield np.flatnonzero(judged)
    order = np.flatnonzero(judged)
    order = order[np.argsort(labels[order], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(part) >= FEWEST:
            yield part


Answer = tuple[str, str] | None


def _unit(raw: Floats, sizes: NDArray[np.int64], areas: Floats, form: str, unit: str) -> Answer:
    largest = np.abs(raw).max(axis=1)
    if unit == "pixels":
        if below_a_pixel(raw, unit, sizes).mean() >= 0.5:
            return "boxes-look-like-fractions", f"all four numbers are at most 1 ({form}, expected pixels)"
        for whole in WHOLES:
            if _fill(to_corners(raw, form, unit, sizes), sizes, whole):
                return "boxes-look-like-percent", f"all lie within {whole} x {whole} of larger images, and fill that"
    else:
        large = (largest > 1.5) & (largest <= 2 * sizes.max(axis=1))
        if large.mean() >= 0.5:
            return "boxes-look-like-pixels", f"numbers are as large as {largest.max():.6g} ({form}, expected 0..1)"
    return None


def _fill(boxes: Floats, sizes: NDArray[np.int64], whole: int) -> bool:
    """Return whether boxes are all over a square of this side and nowhere else, though the images are larger."""
    if len(boxes) < ENOUGH or (sizes < 1.5 * whole).any() or (boxes < 0).any():
        return False
    near, far = boxes[:, :2], boxes[:, 2:]
    within = (far.max(axis=0) <= 1.005 * whole).all() and (far.max(axis=0) >= 0.9 * whole).all()
    spread = (near.max(axis=0) >= 0.5 * whole).all() and (far.min(axis=0) <= 0.5 * whole).all()
    return bool(within and spread)


def _corners_for_sides(raw: Floats, sizes: NDArray[np.int64], areas: Floats, form: str, unit: str) -> Answer:
    """Return whether x, y, width, height (or a centre and sides) are two corners."""
    as_corners = to_corners(raw, "xyxy", unit, sizes)
    ordered = (as_corners[:, 2:] > as_corners[:, :2]).all(axis=1)
    limits = np.tile(sizes, 2)
    fits = ordered & ((as_corners <= limits * (1 + TOLERANCE) + 1) & (as_corners >= -1)).all(axis=1)
    if fits.mean() < MOST:
        return None
    as_said = to_corners(raw, form, unit, sizes)
    slack = 1 + TOLERANCE * limits
    sticks_out = ((as_said < -slack) | (as_said > limits + slack)).any(axis=1)
    if sticks_out.mean() >= MANY:
        return "boxes-look-like-corners", f"{sticks_out.mean():.0%} stick out of their image as {form}, none as corners"
    stated = areas > 0
    if stated.mean() >= 0.5:
        of_corners = (as_corners[:, 2:] - as_corners[:, :2]).prod(axis=1)
        of_sides = (as_said[:, 2:] - as_said[:, :2]).prod(axis=1)
        by_corners = np.abs(areas - of_corners) <= 1e-3 * areas + 0.5
        by_sides = np.abs(areas - of_sides) <= 1e-3 * areas + 0.5
        if (by_corners & ~by_sides)[stated].mean() >= MANY:
            return "boxes-look-like-corners", f"the stated areas are not those of {form}, but those of corners"
    # Sides have nothing to do with the place; the second corner follows the first.
    place = as_corners / limits
    if len(raw) >= 20 and _follows(place[:, 0], place[:, 2]) and _follows(place[:, 1], place[:, 3]):
        return "boxes-look-like-corners", "the last two numbers are always larger than the first two, and follow them"
    return None


def _sides_for_corners(raw: Floats, sizes: NDArray[np.int64], areas: Floats, form: str, unit: str) -> Answer:
    """Return whether two corners are x, y, width, height."""
    reversed_ = raw[:, 2:] < raw[:, :2]
    as_sides = to_corners(raw, "xywh", unit, sizes)
    inside = (as_sides <= np.tile(sizes, 2) * (1 + TOLERANCE) + 1).all(axis=1) & (raw >= 0).all(axis=1)
    share = reversed_.any(axis=1).mean()
    if len(raw) >= FEWEST and inside.mean() >= MOST and share >= MANY:
        return "boxes-look-like-sides", f"the second corner lies before the first in {share:.0%} of them"
    return None


def _out_of_the_image(raw: Floats, sizes: NDArray[np.int64], areas: Floats, form: str, unit: str) -> Answer:
    """Return whether boxes that stick out of their image for the most part would all fit in another form."""
    share = 1 - _fit(raw, sizes, form, unit)
    if len(raw) < FEWEST or share < MANY:
        return None
    fitting = [other for other in BOX_FORMS if other != form and _fit(raw, sizes, other, unit) >= MOST]
    if _fit(raw[:, [1, 0, 3, 2]], sizes, form, unit) >= MOST:
        fitting.append(f"{form} with x and y exchanged")
    if form == "xyxy" and _fit(raw[:, [0, 2, 1, 3]], sizes, form, unit) >= MOST:
        fitting.append("x1, x2, y1, y2")
    if not fitting:
        return _of_another_size(raw, sizes, form, unit)
    return "boxes-stick-out", f"{share:.0%} stick out of their image as {form}, none as {' or '.join(fitting)}"


def _of_another_size(raw: Floats, sizes: NDArray[np.int64], form: str, unit: str) -> Answer:
    """Whether boxes were drawn on larger images: objects may reach out of an image, but hardly with their centres."""
    boxes, _ = in_order(to_corners(raw, form, unit, sizes))
    limits = np.tile(sizes, 2)
    slack = 1 + TOLERANCE * limits
    share = ((boxes < -slack) | (boxes > limits + slack)).any(axis=1).mean()
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    outside = ((centres < 0) | (centres > sizes)).any(axis=1).mean()
    if share < 0.5 or outside < MANY:
        return None
    return "boxes-of-another-size", f"{share:.0%} stick out of their image, {outside:.0%} with their centres"


def _exchanged(raw: Floats, sizes: NDArray[np.int64], areas: Floats, form: str, unit: str) -> Answer:
    """Whether x and y of fractions are exchanged: corners were whole pixels once, and are so only with other axes."""
    if unit != "fractions" or len(raw) < FEWEST:
        return None
    told = np.flatnonzero(sizes[:, 0] != sizes[:, 1])
    told = told[:: max(1, len(told) // ASKED)]
    if len(told) < FEWEST:
        return None
    as_said = _in_whole_pixels(raw[told], sizes[told], form)
    exchanged = _in_whole_pixels(raw[told][:, [1, 0, 3, 2]], sizes[told], form)
    if exchanged < MOST or as_said > MANY:
        return None
    return "axes-look-exchanged", f"corners are whole pixels of {exchanged:.0%} of them with x and y exchanged only"


def _in_whole_pixels(raw: Floats, sizes: NDArray[np.int64], form: str) -> float:
    """Return the share of the boxes whose corners are whole pixels, but for the rounding of six decimals."""
    corners = to_corners(raw, form, "fractions", sizes)
    return float((np.abs(corners - np.round(corners)) < 0.05).all(axis=1).mean())


def _fit(raw: Floats, sizes: NDArray[np.int64], form: str, unit: str) -> float:
    """Return the share of the boxes that lie in their image, with an area, in a form."""
    boxes, limits = to_corners(raw, form, unit, sizes), np.tile(sizes, 2)
    slack = 1 + TOLERANCE * limits
    inside = ((boxes >= -slack) & (boxes <= limits + slack)).all(axis=1)
    return float((inside & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)).mean())


def _follows(first: Floats, second: Floats) -> bool:
    if first.std() == 0 or second.std() == 0:
        return False
    return bool(np.corrcoef(first, second)[0, 1] > 0.5)
