"""Other ways to find wrong labels, on the detections of the same model: scores of labels and of places without one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from cleanlab.object_detection import rank
from numpy.typing import NDArray

from torchghm.data.records import Records
from torchghm.review.agreement import Agreement, Detections, Floats, box_iou
from torchghm.review.evidence import Memory

FAINTEST = 0.05
"""Detections below it are not shown to ObjectLab, whose lowest threshold here it is."""
LOW, HIGH = (0.5, 0.3, 0.2, 0.1, FAINTEST), (0.95, 0.7, 0.5, 0.3, 0.2, 0.1)
"""ObjectLab's probability thresholds; its own are the first of each."""
MATCH = 0.5
"""IoU from which FiftyOne takes a detection for an object."""


class Scores(NamedTuple):
    """How wrong each of n labels is, over all and as one of each kind, and how probably f places lack a label."""

    total: Floats
    by_kind: tuple[Floats, Floats, Floats]
    """[n] each: wrong class, shifted, spurious."""
    places: Floats | None
    """[f]; None of a method that judges labels only."""


def final_score(found: Agreement) -> Scores:
    """One less the score with which the final model finds the object at its place."""
    total = 1 - found.same
    return Scores(total, (total, total, total), found.free_score)


def loss_at_the_end(memory: Memory, found: Agreement) -> Scores:
    """1 - p of the object's class in the last epochs of the training: the order of its cross entropy."""
    total = np.asarray(memory.objects["gradient_norm"], dtype=np.float64)[found.objects]
    return Scores(total, (total, total, total), None)


def area_under_the_margin(memory: Memory, found: Agreement) -> Scores:
    """Probability of the class less that of the strongest other, averaged over the training (Pleiss et al., 2020)."""
    total = -np.asarray(memory.objects["margin"], dtype=np.float64)[found.objects]
    return Scores(total, (total, total, total), None)


def mistakenness(records: Records, detections: Sequence[Detections], found: Agreement) -> Scores:
    """FiftyOne's: (1 ± c) / 2 by whether the class agrees, and (c (2i - 1) + 1) / 2 of the place, i = 2 (1 - IoU).

    Detections are matched with objects by falling confidence c, whatever their class. An object without a match is
    "possibly spurious", which counts as 1. FiftyOne calls a detection without an object missing above 0.95; here it is
    ranked by its confidence.
    """
    of_class, of_place = np.ones(len(found.objects)), np.ones(len(found.objects))
    spurious = np.ones(len(found.objects))
    position = {int(row): place for place, row in enumerate(found.objects)}
    for image, seen in enumerate(detections):
        rows = objects_of(records, image)
        iou = box_iou(records.boxes[rows].astype(np.float64), seen.boxes)
        for detection in np.argsort(-seen.scores, kind="stable"):
            if not len(rows) or iou[:, detection].max() < MATCH:
                continue
            row = int(iou[:, detection].argmax())
            overlap, confidence = iou[row, detection], seen.scores[detection]
            iou[row] = -1.0  # each object is matched once
            place = position[int(rows[row])]
            sign = -1 if records.labels[rows[row]] == seen.labels[detection] else 1
            of_class[place] = (1 + sign * confidence) / 2
            of_place[place] = (confidence * (2 * (1 - overlap) / (1 - MATCH) - 1) + 1) / 2
            spurious[place] = 0.0
    return Scores(of_class, (of_class, of_place, np.maximum(spurious, of_class)), found.free_score)


class ObjectLab:
    """cleanlab's scores of boxes.

    Its comparison of labels with predictions is made once; `scores` can be asked for several thresholds.

    Arguments:
        records: the images.
        detections: of each of them.
        found: whose objects and places are scored.
    """

    def __init__(self, records: Records, detections: Sequence[Detections], found: Agreement) -> None:
        self._found, self._boxes = found, []
        labels, predictions = [], []
        classes = int(max([records.labels.max(initial=0), *(seen.labels.max(initial=0) for seen in detections)])) + 1
        for image, seen in enumerate(detections):
            rows = objects_of(records, image)
            labels.append({"bboxes": records.boxes[rows].astype(np.float64), "labels": records.labels[rows]})
            kept = seen.scores >= FAINTEST
            table = np.concatenate([seen.boxes, seen.scores[:, None]], axis=1)[kept]
            by_class = np.empty(classes, dtype=object)
            for label in range(classes):
                by_class[label] = table[seen.labels[kept] == label]
            predictions.append(by_class)
            self._boxes.append(np.concatenate(list(by_class))[:, :4])
        self._inputs = rank._get_valid_inputs_for_compute_scores(rank.ALPHA, labels, predictions)

    def scores(self, low: float = LOW[0], high: float = HIGH[0]) -> Scores:
        """Return the scores with these thresholds of probability, one less than cleanlab's, which are of quality.

        It has no score for a label where nothing is found: a spurious one gets the larger of the other two.
        """
        swapped, moved = self._swapped(high), self._moved(low)
        total = np.maximum(swapped, moved)
        return Scores(total, (swapped, moved, total), self._overlooked(high))

    @cache  # noqa: B019 - a scorer lives as long as its thresholds are tried
    def _swapped(self, high: float) -> Floats:
        scores = rank.compute_swap_box_scores(auxiliary_inputs=self._inputs, high_probability_threshold=high)
        return 1 - np.concatenate(scores)

    @cache  # noqa: B019
    def _moved(self, low: float) -> Floats:
        scores = rank.compute_badloc_box_scores(auxiliary_inputs=self._inputs, low_probability_threshold=low)
        return 1 - np.concatenate(scores)

    @cache  # noqa: B019
    def _overlooked(self, high: float) -> Floats:
        scores = rank.compute_overlooked_box_scores(auxiliary_inputs=self._inputs, high_probability_threshold=high)
        return self._places(scores)

    def _places(self, overlooked: Sequence[Floats]) -> Floats:
        """Score the places without a label; 0 for those that ObjectLab takes for no overlooked object."""
        found = self._found
        places = np.zeros(len(found.free_score))
        for image in np.unique(found.free_image):
            here = np.flatnonzero(found.free_image == image)
            is_box = (self._boxes[image][None] == found.free_box[here][:, None]).all(axis=2)
            wrong = np.nan_to_num(1 - overlooked[image], nan=0.0)
            places[here] = np.where(is_box, wrong[None], 0.0).max(axis=1, initial=0.0)
        return places


def objects_of(records: Records, image: int) -> NDArray[np.int64]:
    """Return the places of an image's objects among all annotations; crowds are none."""
    rows = np.arange(records.offsets[image], records.offsets[image + 1])
    return rows[~records.crowd[rows]]
