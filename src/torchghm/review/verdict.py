"""From evidence to findings: how probably each label is wrong, in which way, and what should be in its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from torchghm.data.records import Records
from torchghm.review.agreement import SAME, Floats
from torchghm.review.evidence import Evidence, Memory
from torchghm.review.features import is_strongest, object_features, place_features
from torchghm.review.findings import Box, Finding, Kind, worst_first

OBJECT_KINDS: tuple[Kind, ...] = ("wrong class", "misplaced", "spurious")
LEAST = 0.1
"""Score from which something is a finding."""

# Logistic regressions on 20 % of injected errors in four data sets (BCCD, NEU-DET, DeepPCB, scenes) and on these as
# they are, printed by `python -m benchmarks.review`: an intercept and a weight for each feature, a row for "right" and
# each kind. With as many right sets as wrong ones, the scores fit data with about 5 % of wrong labels.
OBJECTS_WITH_MEMORY = (
    (5.32, -0.22, -0.05, -0.12, -0.14, -0.07, 0.17, -0.28, -0.40, -0.12, 0.31, -0.36, -0.04, -0.31, -0.04),
    (-1.73, 0.14, 0.31, -0.19, 0.11, 0.31, -0.37, -0.10, -0.06, 0.54, -0.37, -0.28, 0.44, 0.02, 0.22),
    (-1.86, 0.07, -0.24, 0.51, 0.03, -0.38, 0.59, 0.09, 0.28, -0.26, 0.02, 0.02, -0.26, 0.24, -0.17),
    (-1.73, 0.01, -0.03, -0.21, 0.00, 0.14, -0.39, 0.30, 0.18, -0.17, 0.04, 0.61, -0.14, 0.05, -0.01),
)  # fmt: skip
OBJECTS_WITHOUT = (
    (4.57, -0.49, 0.02, -0.06, -0.45, -0.12, 0.23, -0.28),
    (-1.71, 0.12, 0.47, -0.19, 0.39, 0.62, -0.46, -0.21),
    (-1.88, 0.21, -0.31, 0.49, -0.07, -0.47, 0.68, 0.13),
    (-0.98, 0.16, -0.17, -0.24, 0.13, -0.03, -0.46, 0.36),
)  # fmt: skip
PLACES_WITH_MEMORY = (-8.97, 0.56, -0.92, 4.43, 0.30, 0.93)
PLACES_WITHOUT = (-8.80, 0.64, -1.00, 4.68, -0.04)


def object_scores(records: Records, evidence: Evidence, memory: Memory | None) -> Floats:
    """Return how probably each object is wrong in each way, [n, 3] by `OBJECT_KINDS`; a row's sum is at most 1.

    Softmax regression on ranks within the data set. Ranks can't tell how many labels are wrong in all: with 20 % wrong
    the scores are too low, and their order holds.
    """
    weights = np.array(OBJECTS_WITHOUT if memory is None else OBJECTS_WITH_MEMORY)
    logits = weights[:, 0] + object_features(records, evidence, memory) @ weights[:, 1:].T
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=0.0))
    scores: Floats = (powers / powers.sum(axis=1, keepdims=True))[:, 1:]
    return scores


def place_scores(records: Records, evidence: Evidence) -> Floats:
    """Return how probably each place without a label is an object, [f]; 0 where a surer detection is about it."""
    weights = np.array(PLACES_WITH_MEMORY if evidence.has_memory else PLACES_WITHOUT)
    logits = weights[0] + place_features(records, evidence) @ weights[1:]
    return np.where(is_strongest(evidence), 1 / (1 + np.exp(-logits)), 0.0)


def find_wrong_labels(
    records: Records, evidence: Evidence, memory: Memory | None, *, least: float = LEAST
) -> list[Finding]:
    """Return what is probably wrong, worst first.

    Two objects of one class that overlap by half or more are one labelled twice with the score of their overlap.

    Arguments:
        records: the images.
        evidence: `gather_evidence` of them.
        memory: of the training; None if there was none.
        least: lowest score of a finding, in [0, 1].
    """
    found, scores = evidence.agreement, object_scores(records, evidence, memory)
    image = np.searchsorted(records.offsets, found.objects, side="right") - 1
    trajectories = None if memory is None else np.asarray(memory.objects["trajectory"])
    result = []
    for place, row in enumerate(found.objects.tolist()):
        possible = scores[place] * [found.other_label[place] >= 0, found.near[place] > 0, True]
        score, kind = float(scores[place].sum()), OBJECT_KINDS[int(possible.argmax())]
        if found.twin[place] >= SAME and found.twin[place] > score and found.twin_object[place] < row:
            score, kind = float(found.twin[place]), "duplicate"
        if score < least:
            continue
        label, box = int(records.labels[row]), _box(records.boxes[row])
        suggestion: tuple[int, Box | None] = (-1, None)
        if kind == "wrong class":
            suggestion = (int(found.other_label[place]), box)
        elif kind == "misplaced":
            suggestion = (label, _box(found.near_box[place]))
        trajectory = () if trajectories is None else tuple(map(float, trajectories[row]))
        result.append(Finding(kind, score, int(image[place]), row, label, box, *suggestion, trajectory))
    places = place_scores(records, evidence)
    for place in np.flatnonzero(places >= least).tolist():
        label, box = int(found.free_label[place]), _box(found.free_box[place])
        result.append(Finding("missing", float(places[place]), int(found.free_image[place]), -1, -1, None, label, box))
    return worst_first(result)


def _box(sides: Sequence[float] | NDArray[np.floating]) -> Box:
    x1, y1, x2, y2 = (float(side) for side in sides)
    return x1, y1, x2, y2
