import pytest
import torch
from benchmarks.evaluation import CLASSES as MANY_CLASSES
from benchmarks.evaluation import for_pycocotools, pycocotools_stats, synthetic
from torchmetrics.detection import MeanAveragePrecision

from torchghm.results.average_precision import METRIC_LABELS
from torchghm.training.loop.average_precision import (
    IOU_THRESHOLDS,
    RECALL_THRESHOLDS,
    TORCHMETRICS_NAMES,
    average_precision,
    seen_images,
)

CLASSES = ("ant", "bee", "cow", "dog")


def boxes(count, generator):
    corner = torch.rand(count, 2, generator=generator) * 100
    return torch.cat([corner, corner + 5 + torch.rand(count, 2, generator=generator) * 60], 1)


def images(count=12):
    """Labels of three classes, and detections near most of them; "dog" is never seen."""
    generator = torch.Generator().manual_seed(0)
    detections, targets = [], []
    for _ in range(count):
        true = boxes(6, generator)
        labels = torch.randint(0, 3, (6,), generator=generator)
        targets.append(
            {
                "boxes": true,
                "labels": labels,
                "iscrowd": (torch.rand(6, generator=generator) < 0.1).long(),
                "area": (true[:, 2:] - true[:, :2]).prod(1) * 0.8,
                "image_id": 1,
            }
        )
        found = torch.cat([true + torch.randn(6, 4, generator=generator) * 3, boxes(3, generator)])
        wrong = torch.randint(0, 3, (3,), generator=generator)
        detections.append(
            {"boxes": found, "labels": torch.cat([labels, wrong]), "scores": torch.rand(9, generator=generator)}
        )
    return detections, targets


def test_every_metric_has_a_label():
    assert list(TORCHMETRICS_NAMES) == list(METRIC_LABELS)


def test_equals_torchmetrics_with_its_evaluation_of_every_class():
    detections, targets = images()
    result = average_precision(seen_images(detections, targets), CLASSES)

    thresholds = {"iou_thresholds": IOU_THRESHOLDS, "rec_thresholds": RECALL_THRESHOLDS}
    reference = MeanAveragePrecision(class_metrics=True, backend="faster_coco_eval", **thresholds)
    reference.update(detections, [{k: v for k, v in target.items() if k != "image_id"} for target in targets])
    expected = reference.compute()
    for name, key in TORCHMETRICS_NAMES.items():
        want = float(expected[key])
        assert result.metrics[name] == (None if want < 0 else pytest.approx(want)), name
    per_class = dict(zip(expected["classes"].tolist(), expected["map_per_class"].tolist(), strict=True))
    assert result.per_class == {"ant": pytest.approx(per_class[0]), "bee": pytest.approx(per_class[1]),
                                "cow": pytest.approx(per_class[2]), "dog": None}  # fmt: skip


def test_equals_pycocotools():
    seen = synthetic(200, 50)  # 17 objects a class: recalls of whole tenths come up, where a rounded threshold differs
    metrics = average_precision(seen, [str(label) for label in range(MANY_CLASSES)]).metrics
    assert list(metrics.values()) == pytest.approx(pycocotools_stats(*for_pycocotools(seen)), abs=1e-6)


def test_takes_a_single_class():
    box = torch.tensor([[0.0, 0, 50, 50]])
    label = torch.tensor([0])
    target = {"boxes": box, "labels": label, "iscrowd": torch.tensor([0]), "area": torch.tensor([2500.0])}
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)}
    missed = average_precision(seen_images([nothing], [target]), ("ant",))
    assert missed.metrics == {**dict.fromkeys(TORCHMETRICS_NAMES, 0.0), "ap_small": None, "ap_large": None}
    found = {"boxes": box, "labels": label, "scores": torch.tensor([0.9])}
    result = average_precision(seen_images([found], [target]), ("ant",))
    assert result.metrics["ap"] == pytest.approx(1)
    assert result.per_class == {"ant": pytest.approx(1)}
