"""Which part of a detector is its backbone's."""

from __future__ import annotations

import pytest
import torch
from tests.detection.models import small_detector

from torchghm.detection import DETECTORS
from torchghm.detection.backbones.feature_pyramids import backbone_body


@pytest.mark.parametrize("name", DETECTORS)
def test_the_body_is_without_the_pyramid_and_further_levels(name):
    with torch.device("meta"):
        model = small_detector(name)
    body = {id(parameter) for parameter in backbone_body(model).parameters()}
    every = [id(parameter) for parameter in model.backbone.parameters()]
    first_convolution = next(parameter for parameter in model.backbone.parameters() if parameter.ndim == 4)
    assert id(first_convolution) in body
    assert body < set(every)
    added = {key for key, parameter in model.backbone.named_parameters() if id(parameter) not in body}
    assert {key.split(".")[0] for key in added} <= {"fpn", "extra", "scale_weight"}
