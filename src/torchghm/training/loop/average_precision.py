"""COCO's average precision, overall, by size and by class, over the images of all processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from torchghm.training.loop.processes import broadcast_object, gather_shards, is_first

TORCHMETRICS_NAMES = {
    "ap": "map",
    "ap50": "map_50",
    "ap75": "map_75",
    "ap_small": "map_small",
    "ap_medium": "map_medium",
    "ap_large": "map_large",
}
"""torchmetrics' name of each of `METRIC_LABELS`."""

# pycocotools' own. torchmetrics rounds its defaults to float32, and a recall of exactly 0.1 is then below 0.1.
IOU_THRESHOLDS: list[float] = np.linspace(0.5, 0.95, 10).tolist()
RECALL_THRESHOLDS: list[float] = np.linspace(0.0, 1.0, 101).tolist()


class DetectionMetrics(NamedTuple):
    """Average precision in 0..1; None where there is nothing to find."""

    metrics: dict[str, float | None]
    """By the names of `METRIC_LABELS`."""
    per_class: dict[str, float | None]
    """AP by the class's name."""


class SeenImage(NamedTuple):
    """An image's detections and labels, on the CPU."""

    detections: dict[str, Tensor]
    """``boxes`` [n, 4] xyxy in pixels, ``scores`` [n] and ``labels`` [n]."""
    target: dict[str, Tensor]
    """``boxes`` [m, 4] xyxy in pixels, ``labels``, ``iscrowd`` and ``area`` [m]."""


def seen_images(detections: Sequence[Mapping[str, Tensor]], targets: Sequence[Mapping[str, Any]]) -> list[SeenImage]:
    """Pair a batch's detections with its labels."""
    keys = ("boxes", "labels", "iscrowd", "area")
    return [
        SeenImage({name: value.cpu() for name, value in found.items()}, {key: target[key].cpu() for key in keys})
        for found, target in zip(detections, targets, strict=True)
    ]


def joint_average_precision(own: list[SeenImage], classes: Sequence[str]) -> tuple[DetectionMetrics, list[SeenImage]]:
    """Return the average precision over all processes' images, computed once; on the first also all the images.

    Arguments:
        own: this process's shard of the images, in order.
        classes: names; label k is the k-th.
    """
    images = gather_shards(own)
    return broadcast_object(average_precision(images, classes) if is_first() else None), images  # type: ignore[return-value]


def average_precision(images: Sequence[SeenImage], classes: Sequence[str]) -> DetectionMetrics:
    """Return COCO's average precision of these images."""
    # The whole precision table once, instead of another evaluation for every class.
    metric = MeanAveragePrecision(
        iou_thresholds=IOU_THRESHOLDS,
        rec_thresholds=RECALL_THRESHOLDS,
        extended_summary=True,
        backend="faster_coco_eval",
        distributed_available_fn=lambda: False,
    )
    metric.warn_on_many_detections = False
    metric.update([image.detections for image in images], [image.target for image in images])
    result = metric.compute()
    precision = result["precision"]  # [T thresholds, R recalls, K classes, A areas, M limits], -1 where undefined
    per_class: dict[str, float | None] = dict.fromkeys(classes)
    for column, label in enumerate(result["classes"].reshape(-1).tolist()):
        values = precision[:, :, column, 0, -1]
        values = values[values > -1]
        per_class[classes[label]] = float(values.mean()) if values.numel() else None
    return DetectionMetrics({name: _value(result[key]) for name, key in TORCHMETRICS_NAMES.items()}, per_class)


def _value(metric: Tensor) -> float | None:
    return float(metric) if metric >= 0 else None
