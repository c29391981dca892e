"""From scores, which every training has on a scale of its own, to evidence between 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchghm.data.records import Records
from torchghm.review.agreement import SAME, Agreement, Detections, Floats, Whole, agreement, box_iou

OBJECT_EVIDENCE = ("same", "other", "near")
PLACE_EVIDENCE = ("score", "beside", "moved", "epochs")


class Evidence(NamedTuple):
    """Evidence for and against each of n objects, and each of f places without a label."""

    agreement: Agreement
    of_objects: Floats
    """[n, 3] worth of the highest scores that `OBJECT_EVIDENCE` names."""
    of_places: Floats
    """[f, 4] by the names of `PLACE_EVIDENCE`."""
    has_memory: bool
    """Whether the figures of the training are there; without, one of a place's is 0."""


class Memory(NamedTuple):
    """A `LabelMemory`'s columns, as arrays."""

    objects: Mapping[str, NDArray[np.generic]]
    places: Mapping[str, NDArray[np.generic]] | None


def gather_evidence(records: Records, detections: Sequence[Detections], memory: Memory | None) -> Evidence:
    """Compare labels with the final model's detections and with the training's memory.

    A score is worth what part of the objects that the model agrees on it finds with a lower one. These are mostly
    right, so that nothing depends on how well calibrated the model is, how long it was trained, or how hard the data
    are.

    Arguments:
        records: the images that the model was trained on.
        detections: of each of them.
        memory: of the training, None without.
    """
    found = agreement(records, detections)
    labels = records.labels[found.objects]
    agreed = (found.same > 0) & (found.same >= found.other)
    scale = ScoreScale(found.same[agreed], labels[agreed])
    pairs = ((found.same, labels), (found.other, found.other_label), (found.near, labels))
    of_objects = np.stack([scale(scores, of_class) for scores, of_class in pairs], axis=1)
    return Evidence(found, of_objects, _of_places(records, found, scale, of_objects, memory), memory is not None)


class ScoreScale:
    """Rank of a detection's score: the part of its class's labelled objects that are found with a lower one.

    Arguments:
        same: [n] score with which each object is found.
        labels: [n] classes.
    """

    def __init__(self, same: Floats, labels: Whole) -> None:
        self._all = np.sort(same)
        self._of_class = {int(label): np.sort(same[labels == label]) for label in np.unique(labels)}

    def __call__(self, scores: Floats, labels: Whole) -> Floats:
        """Return the worth of scores [m] of detections of these classes, in [0, 1]; 0 of a score of 0."""
        worth = np.zeros(len(scores))
        for label in np.unique(labels):
            mine = labels == label
            scale = self._of_class.get(int(label), self._all)
            below = np.searchsorted(scale, scores[mine], "left") + np.searchsorted(scale, scores[mine], "right")
            worth[mine] = below / 2 / max(len(scale), 1)
        return np.where(scores > 0, worth, 0.0)


def _of_places(
    records: Records, found: Agreement, scale: ScoreScale, of_objects: Floats, memory: Memory | None
) -> Floats:
    evidence = np.zeros((len(found.free_score), len(PLACE_EVIDENCE)))
    evidence[:, 0] = scale(found.free_score, found.free_label)
    evidence[:, 1] = found.free_overlap
    touches = found.free_touched >= 0
    position = np.searchsorted(found.objects, found.free_touched[touches])
    # An object beside it that the model does not see at its own place is rather misplaced than joined by another.
    evidence[touches, 2] = 1 - of_objects[position, 0]
    if memory is not None and memory.places is not None:
        evidence[:, 3] = _remembered(records, found, memory.places)
    return evidence


def _remembered(records: Records, found: Agreement, places: Mapping[str, NDArray[np.generic]]) -> Floats:
    """Return in which part of the epochs each place was seen during the training."""
    image = np.asarray(places["image"], dtype=np.int64)
    epochs = np.asarray(places["epochs"], dtype=np.float64)
    sides = np.stack([records.widths, records.heights, records.widths, records.heights], axis=1)[image]
    boxes = np.asarray(places["box"], dtype=np.float64) * sides
    result = np.zeros(len(found.free_score))
    most = max(float(epochs.max(initial=0)), 1.0)
    for number in np.unique(found.free_image):
        here, there = found.free_image == number, image == number
        iou = box_iou(found.free_box[here], boxes[there])
        iou *= found.free_label[here][:, None] == np.asarray(places["label"])[there][None]
        result[here] = np.where(iou >= SAME, epochs[there][None] / most, 0.0).max(axis=1, initial=0.0)
    return result
