"""The RPN without its sampler."""

from __future__ import annotations

import pytest
import torch
from tests.detection.models import frozen, run_seeded, small_batch, small_detector

import torchghm
from torchghm.detection import detection_examples, harmonize


@pytest.fixture
def model():
    return frozen(small_detector("faster_rcnn"))


def test_the_rpn_without_its_sampler(model):
    """Cross entropy and smooth L1 behind the hook are torchvision's, once its sampler takes all anchors."""
    batch = small_batch(empty=False)
    model.rpn.fg_bg_sampler.batch_size_per_image = 10**6
    model.rpn.fg_bg_sampler.positive_fraction = 0.5
    expected = run_seeded(model, batch)
    harmonize(
        model,
        torchghm.CrossEntropyLoss(average="examples"),
        torchghm.SmoothL1Loss(reduction="sum"),
        stage="rpn",
    )
    model.rpn.fg_bg_sampler = None  # not asked any more
    losses = run_seeded(model, batch)
    examples = detection_examples(model, *batch)
    sampled = (examples.targets != -100).sum()
    torch.testing.assert_close(losses["loss_objectness"], expected["loss_objectness"], rtol=1e-4, atol=0)
    torch.testing.assert_close(losses["loss_rpn_box_reg"] / sampled, expected["loss_rpn_box_reg"], rtol=1e-4, atol=0)
    for name in ("loss_classifier", "loss_box_reg"):  # those of the second stage are torchvision's
        torch.testing.assert_close(losses[name], expected[name])


def test_ignored_anchors_are_no_examples_and_padding_is_background(model):
    images, targets = small_batch()
    images[1] = images[1][:, :, :48]
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published())
    labels = detection_examples(model, images, targets).targets
    assert set(labels[0].unique().tolist()) == {-100, -1, 0}  # between the thresholds, background, objects
    assert (labels[1] == -1).all()  # no object, half of it padding


def test_levels_of_the_rpn_alone(model):
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published(), scope="level")
    assert len(model.rpn.box_loss.levels) == 5
    assert type(model.roi_heads.box_loss) is torchghm.GHMRLoss
