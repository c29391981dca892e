"""COCO's average precision, overall, by size and by class."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torchmetrics.detection import MeanAveragePrecision

# Our names -> torchmetrics'.
METRICS = {
    "ap": "map",
    "ap50": "map_50",
    "ap75": "map_75",
    "ap_small": "map_small",
    "ap_medium": "map_medium",
    "ap_large": "map_large",
}


class DetectionMetrics(NamedTuple):
    """Average precision in 0..1; None where there is nothing to find."""

    metrics: dict[str, float | None]
    """By the names of `METRICS`."""
    per_class: dict[str, float | None]
    """AP by the class's name."""


class AveragePrecision(nn.Module):
    """Gathers detections and labels of images, and computes COCO's average precision of them.

    Arguments:
        classes: names; label k is the k-th.
        sync: gather what all processes have seen when it is computed.
    """

    def __init__(self, classes: tuple[str, ...], *, sync: bool) -> None:
        super().__init__()
        self.classes = classes
        # The whole precision table once, instead of another evaluation for every class.
        options: dict[str, Any] = {"extended_summary": True, "backend": "faster_coco_eval"}
        if not sync:
            options["distributed_available_fn"] = lambda: False
        self._metric = MeanAveragePrecision(**options)
        self._metric.warn_on_many_detections = False

    def update(self, detections: list[dict[str, Tensor]], targets: list[dict[str, Any]]) -> None:
        """Take in images.

        Arguments:
            detections: ``boxes`` [n, 4] xyxy in pixels, ``scores`` [n] and ``labels`` [n] of each image.
            targets: ``boxes`` [m, 4], ``labels``, ``iscrowd`` and ``area`` [m] of each image.
        """
        keys = ("boxes", "labels", "iscrowd", "area")
        self._metric.update(detections, [{key: target[key] for key in keys} for target in targets])

    def compute(self) -> DetectionMetrics:
        """Return the metrics of all images so far, and forget them."""
        result = self._metric.compute()
        precision = result["precision"]  # [T thresholds, R recalls, K classes, A areas, M limits], -1 where undefined
        per_class: dict[str, float | None] = dict.fromkeys(self.classes)
        for column, label in enumerate(result["classes"].reshape(-1).tolist()):
            values = precision[:, :, column, 0, -1]
            values = values[values > -1]
            per_class[self.classes[label]] = float(values.mean()) if values.numel() else None
        self._metric.reset()
        return DetectionMetrics({name: _value(result[key]) for name, key in METRICS.items()}, per_class)


def _value(metric: Tensor) -> float | None:
    return float(metric) if metric >= 0 else None
