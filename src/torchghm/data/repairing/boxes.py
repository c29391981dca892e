"""Boxes that can be learned from: finite, with an area, inside their image, each once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Thinner boxes (pixels) can collapse to nothing in float32 when an image is resized; detectors refuse those.
SMALLEST_SIDE = 0.01
# Fractions of rounded boxes may exceed 0..1 by this; anything more is not a fraction of the image.
TOLERANCE = 0.01

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def to_corners(raw: Floats, form: str, unit: str, sizes: NDArray[np.int64]) -> Floats:
    """Return x1, y1, x2, y2 in pixels.

    Arguments:
        raw: `[n, 4]`, of any value.
        form: "xyxy", "xywh" or "cxcywh".
        unit: "pixels" or "fractions".
        sizes: `[n, 2]`, width and height of the image of each box.
    """
    with np.errstate(all="ignore"):  # infinite and enormous coordinates are dropped afterwards
        boxes = raw * np.tile(sizes, 2) if unit == "fractions" else raw.copy()
        if form == "xywh":
            boxes[:, 2:] += boxes[:, :2]
        elif form == "cxcywh":
            half = boxes[:, 2:] / 2
            boxes[:, 2:] = boxes[:, :2] + half
            boxes[:, :2] -= half
    return boxes


def unnormalised(raw: Floats, unit: str) -> Flags:
    """Return which boxes that should be fractions have a number beyond 0..1."""
    if unit != "fractions":
        return np.zeros(len(raw), bool)
    return np.asarray(((raw < -TOLERANCE) | (raw > 1 + TOLERANCE)).any(axis=1))


def below_a_pixel(raw: Floats, unit: str, sizes: NDArray[np.int64]) -> Flags:
    """Return which boxes in pixels lie within the first one: nobody can have drawn them, and fractions look so."""
    if unit != "pixels":
        return np.zeros(len(raw), bool)
    broken = (raw != np.round(raw)).any(axis=1)  # a box of one pixel has whole numbers
    return np.asarray((np.abs(raw) <= 1 + TOLERANCE).all(axis=1) & broken & (sizes > 4).all(axis=1))


def in_order(boxes: Floats) -> tuple[Floats, Flags]:
    """Return the boxes with x1 <= x2 and y1 <= y2, and which of them had exchanged corners."""
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    swapped = np.asarray((boxes[:, 2:] + SMALLEST_SIDE <= boxes[:, :2]) & finite[:, None])
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    ordered = np.concatenate([np.where(swapped, low, boxes[:, :2]), np.where(swapped, high, boxes[:, 2:])], axis=1)
    return ordered, np.asarray(swapped.any(axis=1))


def clean_boxes(
    boxes: Floats, widths: NDArray[np.int64], heights: NDArray[np.int64]
) -> tuple[NDArray[np.float32], dict[str, Flags]]:
    """Clip boxes to their images and say which of them have to be dropped.

    Arguments:
        boxes: `[n, 4]`, x1, y1, x2, y2 in pixels, of any value.
        widths: `[n]`, of the image of each box.
        heights: `[n]`, likewise.

    Returns:
        The boxes clipped, float32 `[n, 4]`, and for each kind of problem the boxes that have it, bool `[n]`:
        those of "box-not-finite", "box-without-area" and "box-outside" are to be dropped, those of
        "box-clipped" and "box-below-a-pixel-wide" stay. Every box has at most one kind.
    """
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    safe = np.where(finite[:, None], boxes, 0.0)
    has_area = _has_area(safe)
    limits = np.stack([widths, heights, widths, heights], axis=1).astype(np.float64)
    clipped = np.clip(safe, 0.0, limits)
    usable = clipped.astype(np.float32)
    # Judged as they will be used, in float64: boxes that pass once pass again, and none has collapsed.
    remains = _has_area(usable.astype(np.float64))
    # Rounding in the annotation tool is no fault: a hundredth of a pixel is clipped without a word.
    moved = (np.abs(clipped - safe) > SMALLEST_SIDE).any(axis=1)
    return usable, {
        "box-not-finite": ~finite,
        "box-without-area": finite & ~has_area,
        "box-outside": finite & has_area & ~remains,
        "box-clipped": finite & has_area & remains & moved,
        "box-below-a-pixel-wide": finite & has_area & remains & ~moved & _below_a_pixel_wide(usable),
    }


def _below_a_pixel_wide(boxes: NDArray[np.float32]) -> Flags:
    # 0.99: a box of one pixel stays one after the rounding of fractions.
    return np.asarray((boxes[:, 2:] - boxes[:, :2] < 0.99).any(axis=1))


def known_region(boxes: Floats, sizes: NDArray[np.int64]) -> tuple[NDArray[np.float32], Flags]:
    """Return where objects with broken boxes may be, and whether anything is known of it.

    A coordinate that is not finite may be anywhere: the region reaches to the image's border there.

    Arguments:
        boxes: `[n, 4]`, x1, y1, x2, y2 in pixels, of any value.
        sizes: `[n, 2]`, width and height of the image of each box.

    Returns:
        float32 `[n, 4]` inside the image, and bool `[n]`: some coordinate is known, and the region has an area.
    """
    finite = np.isfinite(boxes)
    limits = np.tile(sizes, 2).astype(np.float64)
    far = np.concatenate([np.zeros_like(limits[:, :2]), limits[:, 2:]], axis=1)
    regions = np.clip(np.where(finite, boxes, far), 0, limits).astype(np.float32)
    return regions, finite.any(axis=1) & _has_area(regions.astype(np.float64))


def duplicates(images: NDArray[np.int64], labels: NDArray[np.int64], crowd: Flags, boxes: Floats) -> Flags:
    """Return which objects repeat an earlier one of the same image: class, crowd and box to the bit."""
    bits = np.ascontiguousarray(boxes + 0.0).view(np.uint64)  # + 0.0: -0.0 is 0.0
    columns = [images.astype(np.uint64), labels.astype(np.uint64), crowd.astype(np.uint64), *bits.T]
    keys = np.zeros(len(images), np.uint64)
    for column in columns:  # mixed by an odd multiplier: equal objects have equal keys, others hardly ever
        keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    order = np.argsort(keys, kind="stable")
    repeated = np.zeros(len(images), bool)
    if len(order) < 2:
        return repeated
    same = keys[order[1:]] == keys[order[:-1]]
    for column in columns:  # a key may be shared by chance
        same[same] = (column[order[1:]] == column[order[:-1]])[same]
    repeated[order[1:][same]] = True
    return repeated


def _has_area(boxes: NDArray[np.floating]) -> Flags:
    # Compared, not subtracted: the difference of two enormous coordinates can overflow.
    return np.asarray((boxes[:, 2:] >= boxes[:, :2] + SMALLEST_SIDE).all(axis=1))
