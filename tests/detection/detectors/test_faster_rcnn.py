"""Faster R-CNN: the RPN without its sampler, a box loss of the second stage's own, its classes only if asked."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.detection.models import frozen, run_seeded, small_batch, small_detector
from torchvision.models.detection.roi_heads import RoIHeads

import torchghm
from torchghm.detection import harmonize, restore

SOFTMAX = {"activation": "softmax"}


@pytest.fixture
def model():
    return frozen(small_detector("faster_rcnn"))


def test_both_stages_by_default(model):
    batch = small_batch(empty=False)
    expected = run_seeded(model, batch)
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published())
    losses = run_seeded(model, batch)
    assert losses["loss_classifier"] == expected["loss_classifier"]
    for name in ("loss_objectness", "loss_rpn_box_reg", "loss_box_reg"):
        assert losses[name] != expected[name]
    first, second = model.rpn.box_loss, model.roi_heads.box_loss
    assert model.cls_loss is model.rpn.cls_loss
    assert model.box_loss is first
    assert second is not first
    assert not torch.equal(first.density_state.fractions, second.density_state.fractions)
    assert model.roi_heads.cls_loss is None


def test_torchvisions_losses_are_not_called(model, monkeypatch):
    batch = small_batch()
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published())
    monkeypatch.setattr(F, "binary_cross_entropy_with_logits", None)
    assert run_seeded(model, batch)["loss_objectness"] > 0
    # should a later torchvision compute its loss elsewhere, that is said
    monkeypatch.setattr(RoIHeads, "forward", lambda self, *arguments: None)
    with pytest.raises(RuntimeError, match="RoIHeads.forward to call fastrcnn_loss"):
        run_seeded(model, batch)


def test_labels_start_at_0(model):
    """Targets are not changed, detections are in the same convention."""
    images, targets = small_batch(empty=False)
    model.roi_heads.box_predictor.cls_score.bias.data += torch.tensor([0.0, 9.0, 0.0, 0.0])
    run_seeded(model, (images, targets))
    assert targets[0]["labels"].tolist() == [0, 2]
    with torch.no_grad():
        found = model.eval()(images)
    assert {label for image in found for label in image["labels"].tolist()} == {0}


def test_what_is_refused(model):
    ghmc, ghmr = torchghm.GHMCLoss(), torchghm.GHMRLoss.published()
    with pytest.raises(ValueError, match="`stage`.*'second'"):
        harmonize(model, ghmc, ghmr, stage="second")
    with pytest.raises(ValueError, match="scope='batch' with stage='roi', but got 'level'"):
        harmonize(model, box_loss=ghmr, stage="roi", scope="level")
    with pytest.raises(ValueError, match="`cls_loss`.*activation='softmax', but got activation='sigmoid'"):
        harmonize(model, ghmc, stage="roi")
    with pytest.raises(ValueError, match="`cls_loss`.*activation='sigmoid', but got activation='softmax'"):
        harmonize(model, torchghm.GHMCLoss(**SOFTMAX))
    with pytest.raises(ValueError, match="`background_channel` for a FasterRCNN"):
        harmonize(model, ghmc, background_channel=True)
    assert type(restore(model)).__module__.startswith("torchvision")
