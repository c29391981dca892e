from __future__ import annotations

import pytest
import torch
from tests.detection.models import few_proposals, small_detector
from torchvision.models import detection

import torchghm
from torchghm.detection import harmonize


def test_a_label_of_background_is_refused_where_torchvision_counts_from_1():
    model = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=4)
    harmonize(few_proposals(model).train(), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    with pytest.raises(ValueError, match=r"labels from 1, but got 0 in targets\[0\]"):
        model([torch.rand(3, 64, 96)], [{"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([0])}])


@pytest.mark.parametrize("name", ["retinanet", "fcos", "ssdlite320", "faster_rcnn_mobilenet"])
def test_a_label_below_the_first_class_is_refused(name):
    model = harmonize(small_detector(name), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    targets = [{"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([label])} for label in (1, -1)]
    with pytest.raises(ValueError, match=r"labels from \d, but got -?\d in targets\[1\]"):
        model([torch.rand(3, 64, 96)] * 2, targets)
