"""Precision, recall and F1 at every threshold that a user may type, and the best of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchghm.results.arrays import Array
from torchghm.results.diagnosis import THRESHOLDS


class Curve(NamedTuple):
    """Precision and recall at the thresholds 0.01, 0.02, ..., 0.99.

    Attributes:
        precision: [99], nan where nothing is kept.
        recall: [99], nan without objects.
        f1: [99], nan without objects.
    """

    precision: Array
    recall: Array
    f1: Array


def precision_recall(scores: Array, right: NDArray[np.bool_], objects: int) -> Curve:
    """Return precision, recall and F1 of the detections with at least each threshold's score.

    With T right ones of D kept detections and N objects these are T / D, T / N and 2 T / (D + N).

    Arguments:
        scores: [D].
        right: [D].
        objects: N.
    """
    thresholds = np.asarray(THRESHOLDS, dtype=np.float32)  # as `predict` compares them
    kept = len(scores) - np.searchsorted(np.sort(scores), thresholds)
    found = int(right.sum()) - np.searchsorted(np.sort(scores[right]), thresholds)
    precision = np.divide(found, kept, out=np.full(len(kept), np.nan), where=kept > 0)
    if not objects:
        return Curve(precision, np.full(len(kept), np.nan), np.full(len(kept), np.nan))
    return Curve(precision, found / objects, 2 * found / (kept + objects))


def best_threshold(f1: Array) -> float | None:
    """Return the threshold of the largest F1, the middle one of several; None where nothing is found at any.

    Examples:
        >>> import numpy as np
        >>> best_threshold(np.where(np.arange(1, 100) <= 40, 0.8, 0.5))
        0.21
    """
    if not (f1 > 0).any():
        return None
    best = np.flatnonzero(f1 == f1.max())
    return THRESHOLDS[int(best[len(best) // 2])]
