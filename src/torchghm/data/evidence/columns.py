"""Recognise the numbers of a YOLO line by all lines with as many numbers.

Five are class and box. More can be a box with a confidence, a track, key points or an angle, or the points of a
polygon; nothing in a line says which. What decides is what the columns of all lines have in common.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOLERANCE = 0.01
ALMOST_ALL = 0.98
MOST_POINTS = 0.85
"""Share of the key points that lie in their box; a limb may reach out of it."""


class Columns(NamedTuple):
    """The meaning of lines of a certain length.

    Attributes:
        boxes: float64 `[lines, 4]`, centre and sides as fractions; None if the lines are not known to have a box.
        words: what they are taken for, or why for nothing.
        usual: they are what the format has, so that nothing has to be said.
    """

    boxes: Floats | None
    words: str
    usual: bool = False


def tell(lines: Floats, *, key_points: int, alone: bool) -> Columns:
    """Return what the numbers after the class are.

    Arguments:
        lines: `[lines, n]`, the numbers after the class of all lines with as many.
        key_points: how many numbers of key points the data say that there are, 0 if they say nothing.
        alone: all lines of the data with more than a box have this length: polygons would differ.
    """
    count = lines.shape[1]
    if count < 4:
        return Columns(None, _guess(lines))
    rest = lines[:, 4:]
    has_box = _share(_is_box(lines[:, :4])) >= ALMOST_ALL
    if key_points and count == 4 + key_points:
        return Columns(lines[:, :4], f"a box and {key_points} numbers of key points", usual=True)
    if has_box and count == 5 and _between(rest, 0, 1):
        return Columns(lines[:, :4], "a box and a confidence")
    if has_box and count == 6 and _between(rest[:, :1], 0, 1) and _whole(rest[:, 1:]) and (rest[:, 1] >= 0).all():
        return Columns(lines[:, :4], "a box, a confidence and the number of a track")
    four_corners = count == 8 and not key_points and _share(_are_convex(lines)) >= ALMOST_ALL
    if has_box and alone and count >= 6 and not four_corners:
        for dimensions in (3, 2):
            if rest.shape[1] % dimensions == 0 and _are_key_points(lines[:, :4], rest, dimensions):
                points = rest.shape[1] // dimensions
                said = f", not the {key_points} numbers that kpt_shape says" if key_points else ""
                return Columns(lines[:, :4], f"a box and {points} key points of {dimensions} numbers{said}")
    if not key_points and count >= 6 and count % 2 == 0:
        inside = ((lines >= -TOLERANCE) & (lines <= 1 + TOLERANCE)) | np.isnan(lines)
        if inside.all(axis=1).mean() >= 0.5:
            doubtful = has_box and alone and len(lines) >= 8
            also = ", though they could be a box and key points" if doubtful else ""
            return Columns(_around(lines), f"a polygon of {count // 2} points{also}", usual=not doubtful)
    return Columns(None, _guess(lines))


def _is_box(lines: Floats) -> NDArray[np.bool_]:
    half = lines[:, 2:] / 2
    low, high = lines[:, :2] - half, lines[:, :2] + half
    # A few tools let boxes stick out of the image a little.
    return np.asarray((half > 0).all(axis=1) & (low >= -0.05).all(axis=1) & (high <= 1.05).all(axis=1))


def _are_key_points(boxes: Floats, rest: Floats, dimensions: int) -> bool:
    """Return whether points after a box lie in it; points that are not labelled are 0, 0."""
    points = rest.reshape(len(rest), -1, dimensions)
    sure = dimensions == 3 and bool(np.isin(points[:, :, 2], (0, 1, 2)).all())
    if dimensions == 3 and not sure and not _between(points[:, :, 2], 0, 1):
        return False
    offset = np.abs(points[:, :, :2] - boxes[:, None, :2])
    inside = (offset <= boxes[:, None, 2:] / 2 + TOLERANCE).all(axis=2)
    unlabelled = (points[:, :, :2] == 0).all(axis=2) | ((points[:, :, 2] == 0) if dimensions == 3 else False)
    some = ~unlabelled
    if not some.any():
        return False
    # A polygon near the middle of an image may look so by chance, several hardly ever.
    return bool(len(boxes) >= (1 if sure else 4) and (inside | unlabelled).mean() >= MOST_POINTS)


def _are_convex(lines: Floats) -> NDArray[np.bool_]:
    """Return whether four points go round a region without a dent: corners of a rotated box do, other points hardly."""
    points = lines.reshape(len(lines), 4, 2)
    sides = np.roll(points, -1, axis=1) - points
    following = np.roll(sides, -1, axis=1)
    turns = sides[:, :, 0] * following[:, :, 1] - sides[:, :, 1] * following[:, :, 0]
    return np.asarray((turns > 0).all(axis=1) | (turns < 0).all(axis=1))


def _around(polygons: Floats) -> Floats:
    """Return centre and sides of the box around each polygon."""
    points = polygons.reshape(len(polygons), -1, 2)
    low, high = points.min(axis=1), points.max(axis=1)
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def _guess(lines: Floats) -> str:
    count = lines.shape[1]
    if count < 4:
        return "fewer than a box has"
    if count == 5 and _share(_is_box(lines[:, :4])) >= 0.5:
        return "a box and no confidence, perhaps an angle"
    if (np.abs(lines) > 1.5).any(axis=1).mean() >= 0.5:
        return "larger than 1, as in pixels"
    return "neither a box with a confidence or key points, nor a polygon"


def _between(values: Floats, low: float, high: float) -> bool:
    return bool(((values >= low) & (values <= high)).all())


def _whole(values: Floats) -> bool:
    return bool((values == np.round(values)).all())


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0
