"""Every key of a recipe's model reaches the detector that is built from it."""

import pytest
import torch
from tests.training.tiny import TINY
from torch import nn

from torchghm.training.detector import build


def built(**values):
    detector, _ = build(TINY.with_values({f"model.{key}": value for key, value in values.items()}), 3)
    return detector


def norms_of_the_heads(detector):
    return sum(isinstance(module, nn.GroupNorm) for module in detector.head.modules())


@pytest.mark.parametrize(("norm", "expected"), [("none", 0), ("group", 8)])
def test_norm_of_the_heads(norm, expected):
    assert norms_of_the_heads(built(head_norm=norm)) == expected


def test_width_of_pyramid_and_heads():
    detector = built(pyramid_channels=32)
    assert detector.backbone.out_channels == 32
    assert detector.head.classification_head.cls_logits.in_channels == 32


def test_anchors_prior_and_trained_layers():
    detector = built(anchor_sizes=[8, 16, 32, 64, 128], prior=0.1, trainable_layers=0)
    assert [sizes[0] for sizes in detector.anchor_generator.sizes] == [8, 16, 32, 64, 128]
    bias = detector.head.classification_head.cls_logits.bias
    torch.testing.assert_close(bias.sigmoid(), torch.full_like(bias, 0.1))
    assert not any(parameter.requires_grad for parameter in detector.backbone.body.parameters())
