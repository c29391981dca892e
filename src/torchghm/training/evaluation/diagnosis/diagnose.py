"""Diagnosis of a detector's detections on a split: everything that `torchghm eval` says beside the AP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchghm.results.arrays import Array
from torchghm.results.diagnosis import ERROR_KINDS, THRESHOLDS, Diagnosis, ReliabilityCell, ScoreCurve
from torchghm.training.evaluation.diagnosis.calibration import reliability
from torchghm.training.evaluation.diagnosis.confusion import confusion_matrix
from torchghm.training.evaluation.diagnosis.error_kinds import Errors, errors_of
from torchghm.training.evaluation.diagnosis.matching import OVERLAP, Judged, judge, match_image
from torchghm.training.evaluation.diagnosis.thresholds import best_threshold, precision_recall
from torchghm.training.loop.average_precision import SeenImage

WITHOUT_BEST = 0.5
"""Threshold of the confusions and errors of a detector that finds nothing, so that none is the best."""


class Findings(NamedTuple):
    """A diagnosis, and the images to look at."""

    diagnosis: Diagnosis
    worst: NDArray[np.int64]
    """Indices of all images that have an error at the threshold, most errors first."""


def diagnose(
    images: Sequence[SeenImage],
    classes: Sequence[str],
    *,
    chosen_on: str,
    validation: Sequence[SeenImage] | None = None,
) -> Findings:
    """Measure thresholds, confusions, calibration and kinds of errors.

    Arguments:
        images: of the split that is evaluated.
        classes: names; label k is the k-th.
        chosen_on: name of the split that thresholds are chosen on.
        validation: its images; None if they are those that are evaluated.
    """
    matched = [match_image(image) for image in images]
    judged = judge(matched, len(classes))
    choosing = judged if validation is None else judge([match_image(image) for image in validation], len(classes))
    overall = _curve("", judged, choosing, None)
    threshold = WITHOUT_BEST if overall.threshold is None else overall.threshold
    kept = [image.above(threshold) for image in matched]
    errors = [errors_of(image) for image in kept]
    cells = reliability(judged.scores, judged.right)
    diagnosis = Diagnosis(
        overlap=OVERLAP,
        chosen_on=chosen_on,
        threshold=threshold,
        overall=overall,
        by_class=tuple(_curve(name, judged, choosing, label) for label, name in enumerate(classes)),
        confusion=tuple(map(tuple, confusion_matrix(kept, len(classes)).tolist())),
        errors={
            kind: dict(zip(classes, _by_class(errors, index, len(classes)), strict=True))
            for index, kind in enumerate(ERROR_KINDS)
        },
        calibration_error=_number(cells.error),
        reliability=tuple(
            ReliabilityCell(int(count), _number(score), _number(precision))
            for count, score, precision in zip(*cells, strict=True)
        ),
    )
    counts = np.array([of_image.total for of_image in errors], dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    return Findings(diagnosis, order[: np.count_nonzero(counts)])


def _curve(name: str, judged: Judged, choosing: Judged, label: int | None) -> ScoreCurve:
    """Return the curve of a class, or with None that of all, with the threshold that is best for `choosing`."""
    threshold = best_threshold(precision_recall(*_part(choosing, label)).f1)
    scores, right, objects = _part(judged, label)
    curve = precision_recall(scores, right, objects)
    at = None if threshold is None else THRESHOLDS.index(threshold)
    precision, recall, f1 = (None if at is None else _number(column[at]) for column in curve)
    return ScoreCurve(
        name,
        objects,
        threshold,
        precision,
        recall,
        f1,
        precisions=tuple(map(_number, curve.precision)),
        recalls=tuple(map(_number, curve.recall)),
    )


def _part(judged: Judged, label: int | None) -> tuple[Array, NDArray[np.bool_], int]:
    if label is None:
        return judged.scores, judged.right, int(judged.objects.sum())
    chosen = judged.labels == label
    return judged.scores[chosen], judged.right[chosen], int(judged.objects[label])


def _by_class(errors: Sequence[Errors], kind: int, classes: int) -> list[int]:
    labels = np.concatenate([np.zeros(0, dtype=np.int64), *(of_image[kind] for of_image in errors)])
    return [int(count) for count in np.bincount(labels, minlength=classes)]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
