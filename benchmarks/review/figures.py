"""How well scores find the errors that were injected."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.review.peers import Scores
from benchmarks.review.truth import KINDS, Truth
from torchghm.review.agreement import Floats


class Figures(NamedTuple):
    """Figures of one method on one run."""

    auroc: float
    """Over the labels that are there, wrong in any way."""
    ap: float
    precision: float
    """Precision of the first k labels, k the number of wrong ones."""
    ap_class: float
    ap_shifted: float
    ap_spurious: float
    ap_missing: float
    """Over the places without a label where the model finds something, and the missing ones where it finds nothing."""
    precision_class: float
    precision_shifted: float
    precision_spurious: float
    precision_missing: float
    precision_all: float
    """Precision of the first k labels and places, k the number of all injected errors."""


def figures(scores: Scores, truth: Truth) -> Figures:
    """Judge a method; NaN where it has no score of its own."""
    wrong = truth.objects != ""
    kinds = [(truth.objects == kind, score) for kind, score in zip(KINDS[:3], scores.by_kind, strict=True)]
    known = truth.places >= 0
    missing = np.concatenate([truth.places[known] == 1, np.ones(truth.unseen, dtype=bool)])
    lowest = np.full(truth.unseen, -1.0)
    places = None if scores.places is None else np.concatenate([scores.places[known], lowest])
    every = np.concatenate([wrong, missing])
    everywhere = np.full(len(missing), -1.0) if places is None else places
    return Figures(
        roc_auc_score(wrong, scores.total),
        average_precision_score(wrong, scores.total),
        precision_of_first(scores.total, wrong),
        *(average_precision_score(mine, score) for mine, score in kinds),
        np.nan if places is None else average_precision_score(missing, places),
        *(precision_of_first(score, mine) for mine, score in kinds),
        np.nan if places is None else precision_of_first(places, missing),
        precision_of_first(np.concatenate([scores.total, everywhere]), every),
    )


def precision_of_first(scores: Floats, wrong: Floats) -> float:
    """Return which part of the k highest is wrong, k the number of wrong ones; of equal scores the mean order counts.

    Example:
        >>> precision_of_first(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))
        0.5
    """
    count = int(wrong.sum())
    if not count:
        return float("nan")
    least = np.sort(scores)[-count]
    above, equal = scores > least, scores == least
    left = count - int(above.sum())
    return float((wrong[above].sum() + left * wrong[equal].mean()) / count)


def wrong_above(score: float, total: Floats, wrong: Floats) -> float:
    """Return which part of the labels above a score is wrong; NaN if none is."""
    return float(wrong[total > score].mean()) if (total > score).any() else float("nan")
