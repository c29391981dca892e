"""Which boxes can be learned from: finite, with an area, inside their image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Thinner boxes (pixels) can collapse to nothing in float32 when an image is resized; detectors refuse those.
SMALLEST_SIDE = 0.01


def clean_boxes(
    boxes: NDArray[np.float64], widths: NDArray[np.int64], heights: NDArray[np.int64]
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.bool_]]]:
    """Clip boxes to their images and say which of them have to be dropped.

    Arguments:
        boxes: `[n, 4]`, x1, y1, x2, y2 in pixels, of any value.
        widths: `[n]`, of the image of each box.
        heights: `[n]`, likewise.

    Returns:
        The boxes clipped, float32 `[n, 4]`, and for each kind of problem the boxes that have it, bool `[n]`:
        those of "box-not-finite", "box-without-area" and "box-outside" are to be dropped, those of
        "box-clipped" stay. Every box has at most one kind.
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
    }


def _has_area(boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
    # Compared, not subtracted: the difference of two enormous coordinates can overflow.
    return np.asarray((boxes[:, 2:] >= boxes[:, :2] + SMALLEST_SIDE).all(axis=1))
