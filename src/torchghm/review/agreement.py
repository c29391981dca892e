"""Labels beside what a trained model detects on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from torchghm.data.records import Records

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)

SAME = 0.5
"""IoU from which a detection is about an object at its place: COCO's lowest threshold."""
NEAR = 0.1
"""IoU from which a detection may be about an object whose box is misplaced."""


class Detections(NamedTuple):
    """Detections of one image: ``boxes`` [m, 4] xyxy in pixels, ``labels`` [m] and ``scores`` [m] in [0, 1]."""

    boxes: Floats
    labels: Whole
    scores: Floats


class Agreement(NamedTuple):
    """Agreement of n objects and f detections that are about none of them; crowds are no objects."""

    objects: Whole
    """[n] the place of each object among the annotations of the records."""
    same: Floats
    """[n] highest score of a detection of its class at its place, 0 without any."""
    overlap: Floats
    """[n] IoU of that detection."""
    other: Floats
    """[n] highest score of a detection of another class at its place."""
    other_label: Whole
    """[n] the class of that detection, -1 without any."""
    near: Floats
    """[n] highest score of a detection of its class beside its place that is about no other object."""
    near_box: Floats
    """[n, 4] its box."""
    twin: Floats
    """[n] highest IoU with another object of the same class in the image."""
    twin_object: Whole
    """[n] that object, -1 without any."""
    free_image: Whole
    """[f] image of each detection that overlaps no object by `SAME` or more."""
    free_box: Floats
    """[f, 4] its box."""
    free_label: Whole
    """[f] its class."""
    free_score: Floats
    """[f] its score."""
    free_touched: Whole
    """[f] the object of any class that it overlaps most, -1 below `NEAR`."""
    free_overlap: Floats
    """[f] by how much."""


def agreement(records: Records, detections: Sequence[Detections]) -> Agreement:
    """Compare every object with the detections in its image.

    Arguments:
        records: the images.
        detections: of each of them.
    """
    parts = [_of_image(records, image, found) for image, found in enumerate(detections)]
    columns = zip(*parts, strict=True) if parts else ([_empty(name)] for name in Agreement._fields)
    return Agreement(*(np.concatenate(column) for column in columns))


def box_iou(first: Floats, second: Floats) -> Floats:
    """Return the intersection over union of boxes [a, 4] and [b, 4], [a, b]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod((high - low).clip(min=0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    iou: Floats = common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-12)
    return iou


def _empty(name: str) -> NDArray[np.generic]:
    return np.zeros((0, 4) if name.endswith("box") else 0, np.int64 if name in _WHOLE else np.float64)


_WHOLE = ("objects", "other_label", "twin_object", "free_image", "free_label", "free_touched")


def _of_image(records: Records, image: int, found: Detections) -> Agreement:
    first = int(records.offsets[image])
    every = np.arange(first, int(records.offsets[image + 1]))
    crowd = records.crowd[every]
    rows = every[~crowd]
    boxes, labels = records.boxes[rows].astype(np.float64), records.labels[rows]
    iou = box_iou(boxes, found.boxes)  # [n, m]
    agrees = labels[:, None] == found.labels[None]
    same, best = _highest(found.scores, agrees & (iou >= SAME))
    other, strongest = _highest(found.scores, ~agrees & (iou >= SAME))
    about = iou.max(axis=0, initial=0.0)  # of each detection, with any object
    near, nearest = _highest(found.scores, agrees & (iou >= NEAR) & (iou < SAME) & (about < SAME)[None])
    twins = box_iou(boxes, boxes) * (labels[:, None] == labels[None])
    np.fill_diagonal(twins, 0.0)
    in_crowd = box_iou(found.boxes, records.boxes[every[crowd]].astype(np.float64)).max(axis=1, initial=0.0)
    free = (about < SAME) & (in_crowd < NEAR)
    touched = iou[:, free].argmax(axis=0) if len(rows) else np.zeros(int(free.sum()), np.int64)
    return Agreement(
        objects=rows,
        same=same,
        overlap=_taken(iou, best, same),
        other=other,
        other_label=np.where(other > 0, _of(found.labels, strongest), -1),
        near=near,
        near_box=_of(found.boxes, nearest),
        twin=twins.max(axis=1, initial=0.0),
        twin_object=np.where(twins.max(axis=1, initial=0.0) > 0, _of(rows, _argmax(twins)), -1),
        free_image=np.full(int(free.sum()), image),
        free_box=found.boxes[free],
        free_label=found.labels[free],
        free_score=found.scores[free],
        free_touched=np.where(about[free] >= NEAR, _of(rows, touched), -1),
        free_overlap=about[free],
    )


def _highest(scores: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Whole]:
    """Return the highest score of each row's detections, 0 without any, and which it is."""
    kept = np.where(mask, scores[None], 0.0)
    return kept.max(axis=1, initial=0.0), _argmax(kept)


def _argmax(values: Floats) -> Whole:
    return values.argmax(axis=1) if values.shape[1] else np.zeros(values.shape[0], np.int64)


def _of(values: NDArray[Number], index: Whole) -> NDArray[Number]:
    """Return the values at these places; zeros where there are none to choose from."""
    return values[index] if len(values) else np.zeros((len(index), *values.shape[1:]), values.dtype)


def _taken(iou: Floats, index: Whole, score: Floats) -> Floats:
    if not iou.shape[1]:
        return np.zeros(len(index))
    taken: Floats = np.where(score > 0, iou[np.arange(len(index)), index], 0.0)
    return taken
