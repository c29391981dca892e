from __future__ import annotations

import copy

import pytest
import torch
from tests.detection.models import LIGHT, frozen, harmonized, small_batch, small_detector

import torchghm
from torchghm.detection import detection_examples, harmonize

"""One of each head."""


@pytest.mark.parametrize("name", LIGHT)
def test_each_level_has_a_density_of_its_own(name):
    images, targets = small_batch(empty=False)
    model = harmonized(frozen(small_detector(name)), scope="level")
    losses = model(images, targets)
    levels = detection_examples(model, images, targets).levels()
    assert len(model.cls_loss.levels) == len(model.box_loss.levels) == len(levels) > 2
    counts = torch.tensor([(level.targets != -100).sum() for level in levels]).float()
    parts = torch.stack([torchghm.functional.ghmc_loss(level.logits, level.targets) for level in levels])
    expected = (parts * counts / counts.sum()).sum()
    torch.testing.assert_close(losses[model.cls_terms[0]], expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", LIGHT)
def test_reference_mode_calls_one_loss_a_level(name):
    images, targets = small_batch(empty=False)
    cls_loss, box_loss = torchghm.ReferenceGHMC(30, 0.75), torchghm.ReferenceGHMR(momentum=0.7)
    again_cls, again_box = copy.deepcopy(cls_loss), copy.deepcopy(box_loss)
    model = harmonize(frozen(small_detector(name)), cls_loss, box_loss, scope="reference")
    losses = model(images, targets)
    expected_cls, expected_box = 0, 0
    for level in detection_examples(model, images, targets).levels():
        label = level.targets.flatten()
        expected_cls += again_cls(level.logits.flatten(0, 1), label, (label != -100).float())
        expected_box += again_box(level.predicted, level.encoded, torch.ones_like(level.encoded))
    torch.testing.assert_close(losses[model.cls_terms[0]], expected_cls, rtol=1e-4, atol=0)
    torch.testing.assert_close(losses[model.box_terms[0]], expected_box, rtol=1e-4, atol=1e-7)
