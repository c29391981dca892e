"""Evidence for each kind of error as a few numbers on one scale for all data sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchghm.data.records import Records
from torchghm.review.agreement import SAME, Floats, Whole, box_iou
from torchghm.review.evidence import OBJECT_EVIDENCE, PLACE_EVIDENCE, Evidence, Memory

OBJECT_FEATURES = ("found", "other", "near", "found_rank", "other_rank", "near_rank", "overlap")
MEMORY_FEATURES = ("probability", "margin", "residual", "gradient_norm_rank", "margin_rank", "residual_rank")
PLACE_FEATURES = ("score", "score_rank", "apart", "unseen_neighbour")
_LEAST = 1e-3


def object_features(records: Records, evidence: Evidence, memory: Memory | None) -> Floats:
    """Return [n, 7] by `OBJECT_FEATURES`, with a memory [n, 13] with `MEMORY_FEATURES` too.

    A score or probability is divided by the median with which objects of its class are found, so that a weak model and
    a hard class count as others do; at most 2.
    """
    found = evidence.agreement
    labels = records.labels[found.objects]
    ranks = dict(zip(OBJECT_EVIDENCE, evidence.of_objects.T, strict=True))
    scale = class_medians(found.same, labels)
    columns = [
        _beside(found.same, scale, labels),
        _beside(found.other, scale, found.other_label),
        _beside(found.near, scale, labels),
        ranks["same"],
        ranks["other"],
        ranks["near"],
        found.overlap,
    ]
    if memory is not None:
        mine = {name: np.asarray(column)[found.objects].astype(np.float64) for name, column in memory.objects.items()}
        probability = 1 - mine["gradient_norm"]
        columns += [
            _beside(probability, class_medians(probability, labels), labels),
            mine["margin"],
            mine["residual"],
            ranks["gradient_norm"],
            ranks["margin"],
            ranks["residual"],
        ]
    return np.stack(columns, axis=1)


def place_features(records: Records, evidence: Evidence) -> Floats:
    """Return [f, 4] by `PLACE_FEATURES`, and with a memory in which part of the epochs the place was seen, [f, 5]."""
    found = evidence.agreement
    columns = dict(zip(PLACE_EVIDENCE, evidence.of_places.T, strict=True))
    scale = class_medians(found.same, records.labels[found.objects])
    parts = [
        _beside(found.free_score, scale, found.free_label),
        columns["score"],
        1 - columns["beside"] / SAME,
        columns["moved"],
    ]
    return np.stack([*parts, *([columns["epochs"]] if evidence.has_memory else [])], axis=1)


def is_strongest(evidence: Evidence) -> NDArray[np.bool_]:
    """Whether no stronger free detection of any class is at the place of each one, [f]."""
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
    scale = np.array([medians.get(int(label), medians[-1]) for label in labels])
    parts: Floats = np.minimum(values / np.maximum(scale, _LEAST), 2.0)
    return parts
