"""Detections matched to objects: greedily by score at an overlap of one half, as COCO's evaluation does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_area, box_iou

from torchghm.results.arrays import Array
from torchghm.training.loop.average_precision import SeenImage

OVERLAP = 0.5
"""Intersection over union from which a detection is right."""


class MatchedImage(NamedTuple):
    """The detections of an image, the highest score first, and its objects. What lies on a crowd is left out.

    Attributes:
        scores: [D].
        labels: [D], class of each detection.
        matched: [D], the object that each detection found, -1 for none.
        overlap: [D, N] intersection over union of detections and objects.
        objects: [N], class of each object.
    """

    scores: Array
    labels: NDArray[np.int64]
    matched: NDArray[np.int64]
    overlap: Array
    objects: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each detection found an object, [D]."""
        return self.matched >= 0

    def above(self, threshold: float) -> MatchedImage:
        """Return the image with detections of at least this score; the matches of higher scores stay as they are."""
        kept = int(np.count_nonzero(self.scores >= np.float32(threshold)))
        return self._replace(
            scores=self.scores[:kept],
            labels=self.labels[:kept],
            matched=self.matched[:kept],
            overlap=self.overlap[:kept],
        )


class Judged(NamedTuple):
    """The detections of all images, and the objects.

    Attributes:
        scores: [D].
        labels: [D].
        right: [D].
        objects: [K], number of objects of each class.
    """

    scores: Array
    labels: NDArray[np.int64]
    right: NDArray[np.bool_]
    objects: NDArray[np.int64]


def match_image(image: SeenImage) -> MatchedImage:
    """Give every detection, from the highest score down, the free object of its class that it overlaps most with.

    The overlap has to be at least 0.5. A detection that finds no object, and at least half of whose area lies in a
    crowd of its class, is neither right nor wrong: it is left out, as in COCO's evaluation.

    Source: Lin et al., "Microsoft COCO", ECCV 2014, and its reference evaluation, pycocotools.
    """
    order = image.detections["scores"].argsort(descending=True, stable=True)
    boxes, labels = image.detections["boxes"][order].double(), image.detections["labels"][order]
    crowd = image.target["iscrowd"].bool()
    boxes_of, labels_of = image.target["boxes"].double(), image.target["labels"]
    overlap = box_iou(boxes, boxes_of[~crowd])
    free = overlap.where(labels[:, None] == labels_of[~crowd], 0.0).numpy().copy()
    matched = np.full(len(order), -1, dtype=np.int64)
    # A detection that overlaps no object of its class by enough finds none, whatever the others do.
    for detection in np.flatnonzero((free >= OVERLAP).any(1)):
        found = int(free[detection].argmax())
        if free[detection, found] >= OVERLAP:
            matched[detection] = found
            free[:, found] = 0.0
    covered = _share_within(boxes, boxes_of[crowd]).where(labels[:, None] == labels_of[crowd], 0.0)
    kept = (matched >= 0) | ~(covered >= OVERLAP).any(1).numpy()
    return MatchedImage(
        image.detections["scores"][order].double().numpy()[kept],
        labels.numpy()[kept],
        matched[kept],
        overlap.numpy()[kept],
        labels_of[~crowd].numpy(),
    )


def judge(images: Sequence[MatchedImage], classes: int) -> Judged:
    """Join the images' detections; ``classes`` is K."""
    labels = np.concatenate([np.zeros(0, dtype=np.int64), *(image.objects for image in images)])
    return Judged(
        np.concatenate([np.zeros(0), *(image.scores for image in images)]),
        np.concatenate([np.zeros(0, dtype=np.int64), *(image.labels for image in images)]),
        np.concatenate([np.zeros(0, dtype=np.bool_), *(image.right for image in images)]),
        np.bincount(labels, minlength=classes),
    )


def _share_within(boxes: Tensor, regions: Tensor) -> Tensor:
    """Return the part of each box's area that lies in each region, [D, R]."""
    low = torch.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    share: Tensor = (high - low).clamp(min=0).prod(-1) / box_area(boxes)[:, None].clamp(min=1e-12)
    return share
