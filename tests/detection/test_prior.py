from __future__ import annotations

import pytest
import torch
from tests.detection.models import small_detector
from torch import nn
from torchvision.models.detection.ssd import SSD

from torchghm.detection import set_prior


@pytest.mark.parametrize("name", ["fcos", "ssdlite320", "faster_rcnn_mobilenet"])
def test_prior(name):
    model = set_prior(small_detector(name), 0.2)
    if name == "fcos":
        probability = model.head.classification_head.cls_logits.bias.sigmoid()
    elif name == "ssdlite320":
        assert type(model) is SSD
        bias = model.head.classification_head.module_list[3][1].bias.view(-1, 4)
        probability = bias.softmax(1)[:, 1:]
        torch.testing.assert_close(bias.sigmoid()[:, 1:], torch.full((6, 3), 0.2))
    else:
        probability = model.rpn.head.cls_logits.bias.sigmoid()
    torch.testing.assert_close(probability, torch.full_like(probability, 0.2))
    with pytest.raises(ValueError, match="`prior`.*1.0"):
        set_prior(model, 1.0)


def test_prior_of_a_model_that_is_not_known():
    with pytest.raises(ValueError, match="below 1 / 3, the share of each of 3 classes, but got 0.4"):
        small_detector("ssdlite320", prior=0.4)
    with pytest.raises(TypeError, match="FasterRCNN or MaskRCNN.*but got torch.nn.modules.linear.Linear"):
        set_prior(nn.Linear(1, 1), 0.1)
