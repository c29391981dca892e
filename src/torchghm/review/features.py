"""Evidence for each kind of error as a few numbers on one scale for all data sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchghm.data.records import Records
from torchghm.review.agreement import SAME, Agreement, Floats, Whole, box_iou
from torchghm.review.evidence import OBJECT_EVIDENCE, PLACE_EVIDENCE, Evidence, Memory

OBJECT_FEATURES = ("found", "other", "near", "found_rank", "other_rank", "near_rank", "overlap")
MEMORY_FEATURES = (
    "probability", "margin", "residual", "gradient_norm", "relative_margin", "residual_in_class", "rival_found"
)  # fmt: skip
PLACE_FEATURES = ("log_score", "log_as_strong", "apart", "unseen_neighbour")
LOWER = 0.16
"""The quantile that is one standard deviation below the mean of a normal distribution."""
RARE = 0.02
"""Part of the objects below which it counts little how few are as high."""
_LEAST, _FAINTEST = 1e-3, 0.02
_FEW = 3
"""Objects of a class up to which it has no spread of its own."""


def object_features(records: Records, evidence: Evidence, memory: Memory | None) -> Floats:
    """Return [n, 7] by `OBJECT_FEATURES`, with a memory [n, 14] with `MEMORY_FEATURES` too.

    All but "rival_found", which is 0 or 1, are the `rarity` of a figure among those of the data set: so they
    mean the same however well the model has learned it. A score or probability is divided before by the median with
    which objects of its class are found, so that a hard class counts as others do.
    """
    found = evidence.agreement
    labels = records.labels[found.objects]
    ranks = dict(zip(OBJECT_EVIDENCE, evidence.of_objects.T, strict=True))
    scale = class_medians(found.same, labels)
    columns = [
        -_beside(found.same, scale, labels),
        _beside(found.other, scale, found.other_label),
        _beside(found.near, scale, labels),
        -ranks["same"],
        ranks["other"],
        ranks["near"],
        -found.overlap,
    ]
    if memory is None:
        return np.stack([rarity(column) for column in columns], axis=1)
    mine = {name: np.asarray(column)[found.objects].astype(np.float64) for name, column in memory.objects.items()}
    probability = 1 - mine["gradient_norm"]
    medians = class_medians(probability, labels)
    columns += [
        -_beside(probability, medians, labels),
        -mine["margin"],
        mine["residual"],
        mine["gradient_norm"],
        -mine["margin"] / np.maximum(_each(medians, labels), _LEAST),
        _deviation_in_class(mine["residual"], labels),
    ]
    rival_found = (found.other > 0) & (mine["rival"] == found.other_label)
    return np.stack([*(rarity(column) for column in columns), rival_found], axis=1)


def rarity(figures: Floats) -> Floats:
    """Return -log(s + `RARE`), s the part of the figures that are as high as each; of equal ones, half are.

    Examples:
        >>> rarity(np.array([0.1, 0.2, 0.9, 0.2])).round(2)
        array([0.11, 0.65, 1.93, 0.65])
    """
    ordered = np.sort(figures)
    below = np.searchsorted(ordered, figures, "left") + np.searchsorted(ordered, figures, "right")
    result: Floats = -np.log(1 - below / 2 / max(len(figures), 1) + RARE)
    return result


def place_features(records: Records, evidence: Evidence) -> Floats:
    """Return [f, 4] by `PLACE_FEATURES`, and with a memory in which part of the epochs the place was seen, [f, 5].

    Beside the score itself counts how many places without a label have one as strong: where a model finds much that
    is not labelled, a single such place says less.
    """
    found = evidence.agreement
    columns = dict(zip(PLACE_EVIDENCE, evidence.of_places.T, strict=True))
    labels = records.labels[found.objects]
    parts = [
        np.log(np.maximum(_beside(found.free_score, class_medians(found.same, labels), found.free_label), _FAINTEST)),
        _as_strong(found, labels, is_strongest(evidence)),
        1 - columns["beside"] / SAME,
        columns["moved"],
    ]
    return np.stack([*parts, *([columns["epochs"]] if evidence.has_memory else [])], axis=1)


def is_strongest(evidence: Evidence) -> NDArray[np.bool_]:
    """Return whether no stronger free detection of any class is at the place of each one, [f]."""
    found = evidence.agreement
    strongest = np.zeros(len(found.free_score), dtype=bool)
    for number in np.unique(found.free_image):
        here = np.flatnonzero(found.free_image == number)
        here = here[np.argsort(-found.free_score[here], kind="stable")]
        iou = box_iou(found.free_box[here], found.free_box[here])
        left = np.ones(len(here), dtype=bool)
        for position in range(len(here)):
            if left[position]:
                strongest[here[position]] = True
                left[position + 1 :] &= iou[position, position + 1 :] < SAME
    return strongest


def class_medians(values: Floats, labels: Whole) -> dict[int, float]:
    """Return the median of each class, by its label; that of all under -1."""
    medians = {int(label): float(np.median(values[labels == label])) for label in np.unique(labels)}
    return medians | {-1: float(np.median(values)) if len(values) else 1.0}


def _beside(values: Floats, medians: dict[int, float], labels: Whole) -> Floats:
    parts: Floats = np.minimum(values / np.maximum(_each(medians, labels), _LEAST), 2.0)
    return parts


def _each(medians: dict[int, float], labels: Whole) -> Floats:
    return np.array([medians.get(int(label), medians[-1]) for label in labels])


def deviation(figures: Floats) -> Floats:
    """Return how far each figure lies from the median, in distances from there to the lower sixth; in [-3, 6].

    The lower half are objects that the model agrees with, as long as less than half of the labels are wrong.

    Examples:
        >>> deviation(np.array([0.1, 0.2, 0.3, 0.4, 0.9])).round(1)
        array([-1.5, -0.7,  0. ,  0.7,  4.4])
    """
    if not len(figures):
        return np.zeros(0)
    median = float(np.median(figures))
    spread = max(median - float(np.quantile(figures, LOWER)), 1e-6)
    result: Floats = ((figures - median) / spread).clip(-3, 6)
    return result


def _deviation_in_class(figures: Floats, labels: Whole) -> Floats:
    result = np.zeros(len(figures))
    for label in np.unique(labels):
        mine = labels == label
        if mine.sum() > _FEW:
            result[mine] = deviation(figures[mine])
    return result


def _as_strong(found: Agreement, labels: Whole, strongest: NDArray[np.bool_]) -> Floats:
    """Return the logarithm of the number of places with a score as high, for each labelled object of this class."""
    result = np.zeros(len(found.free_score))
    for label in np.unique(found.free_label):
        mine = found.free_label == label
        scores = np.sort(found.free_score[mine & strongest])
        as_strong = len(scores) - np.searchsorted(scores, found.free_score[mine], "left") + 1
        result[mine] = np.log(as_strong / max(int((labels == label).sum()), 1))
    clipped: Floats = result.clip(-5, 2)
    return clipped
