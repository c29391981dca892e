"""Faster R-CNN: the RPN without its sampler, a box loss of the second stage's own, its classes only if asked."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.detection.models import frozen, small_batch, small_detector
from torchvision.models.detection.roi_heads import RoIHeads

import torchghm
from torchghm.detection import detection_examples, harmonize, restore

SOFTMAX = {"activation": "softmax"}


@pytest.fixture
def model():
    return frozen(small_detector("faster_rcnn"))


def run(model, batch):
    torch.manual_seed(2)  # proposals are drawn by lot
    return model(*batch)


def test_the_rpn_without_its_sampler(model):
    """Cross entropy and smooth L1 behind the hook are torchvision's, once its sampler takes all anchors."""
    batch = small_batch(empty=False)
    model.rpn.fg_bg_sampler.batch_size_per_image = 10**6
    model.rpn.fg_bg_sampler.positive_fraction = 0.5
    expected = run(model, batch)
    harmonize(
        model,
        torchghm.CrossEntropyLoss(average="examples"),
        torchghm.SmoothL1Loss(reduction="sum"),
        stage="rpn",
    )
    model.rpn.fg_bg_sampler = None  # not asked any more
    losses = run(model, batch)
    examples = detection_examples(model, *batch)
    sampled = (examples.targets != -100).sum()
    torch.testing.assert_close(losses["loss_objectness"], expected["loss_objectness"], rtol=1e-4, atol=0)
    torch.testing.assert_close(losses["loss_rpn_box_reg"] / sampled, expected["loss_rpn_box_reg"], rtol=1e-4, atol=0)
    for name in ("loss_classifier", "loss_box_reg"):  # those of the second stage are torchvision's
        torch.testing.assert_close(losses[name], expected[name])


def test_both_stages_by_default(model):
    batch = small_batch(empty=False)
    expected = run(model, batch)
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published())
    losses = run(model, batch)
    assert losses["loss_classifier"] == expected["loss_classifier"]
    for name in ("loss_objectness", "loss_rpn_box_reg", "loss_box_reg"):
        assert losses[name] != expected[name]
    first, second = model.rpn.box_loss, model.roi_heads.box_loss
    assert model.cls_loss is model.rpn.cls_loss
    assert model.box_loss is first
    assert second is not first
    assert not torch.equal(first.density_state.fractions, second.density_state.fractions)
    assert model.roi_heads.cls_loss is None


def test_ignored_anchors_are_no_examples_and_padding_is_background(model):
    images, targets = small_batch()
    images[1] = images[1][:, :, :48]
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published())
    labels = detection_examples(model, images, targets).targets
    assert set(labels[0].unique().tolist()) == {-100, -1, 0}  # between the thresholds, background, objects
    assert (labels[1] == -1).all()  # no object, half of it padding


def test_ghmr_of_the_second_stage_over_the_whole_batch(model):
    """The published experiment: smooth L1 of the box regression replaced, everything else as it was."""
    batch = small_batch(empty=False)
    model.roi_heads.fg_bg_sampler.batch_size_per_image = 10**6  # all proposals: nothing is drawn
    model.roi_heads.fg_bg_sampler.positive_fraction = 0.5
    expected = run(model, batch)
    harmonize(model, box_loss=torchghm.GHMRLoss.published(momentum=0), stage="roi")
    losses = run(model, batch)
    for name in ("loss_classifier", "loss_objectness", "loss_rpn_box_reg"):
        torch.testing.assert_close(losses[name], expected[name])
    whole = detection_examples(model, *batch)
    parts = [detection_examples(model, batch[0][i : i + 1], batch[1][i : i + 1]) for i in range(2)]
    residual = torch.cat([part.predicted - part.encoded for part in parts])
    torch.testing.assert_close(whole.predicted - whole.encoded, residual, rtol=1e-3, atol=1e-5)
    joint = torchghm.functional.ghmr_loss(whole.predicted, whole.encoded)
    torch.testing.assert_close(losses["loss_box_reg"], joint, rtol=1e-3, atol=0)
    apart = [torchghm.functional.ghmr_loss(part.predicted, part.encoded) for part in parts]
    mean = sum(len(part.encoded) * loss for part, loss in zip(parts, apart, strict=True)) / len(whole.encoded)
    assert abs(mean / joint - 1) > 0.01
    assert not model.rpn.box_loss


def test_residuals_are_those_of_the_proposals_own_class(model):
    """smooth L1 behind the hook is torchvision's, times how many proposals there are."""
    batch = small_batch(empty=False)
    model.roi_heads.box_coder.weights = (1.0, 1.0, 1.0, 1.0)
    torch.nn.init.normal_(model.roi_heads.box_predictor.bbox_pred.bias)  # classes predict different boxes
    expected = run(model, batch)
    harmonize(model, box_loss=torchghm.SmoothL1Loss(reduction="sum"), stage="roi")
    losses = run(model, batch)
    proposals = detection_examples(model, *batch).targets.numel()
    torch.testing.assert_close(losses["loss_box_reg"] / proposals, expected["loss_box_reg"], rtol=1e-4, atol=0)


def test_residuals_are_free_of_the_coders_weights(model):
    batch = small_batch(empty=False)
    harmonize(model, box_loss=torchghm.GHMRLoss.published(), stage="roi")
    assert model.roi_heads.box_coder.weights == (10.0, 10.0, 5.0, 5.0)
    torch.manual_seed(2)
    weighted = detection_examples(model, *batch)
    model.roi_heads.box_coder.weights = (1.0, 1.0, 1.0, 1.0)
    torch.manual_seed(2)
    plain = detection_examples(model, *batch)
    torch.testing.assert_close(weighted.encoded, plain.encoded)


def test_classes_of_the_second_stage_if_asked(model):
    batch = small_batch(empty=False)
    expected = run(model, batch)
    harmonize(model, torchghm.CrossEntropyLoss(average="examples", **SOFTMAX), stage="roi")
    losses = run(model, batch)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-4, atol=1e-7)
    assert model.cls_terms == ("loss_classifier",)
    examples = detection_examples(model, *batch)
    assert set(examples.targets.unique().tolist()) == {0, 1, 2, 3}  # classes 0 to 2, after the background
    harmonize(model, torchghm.GHMCLoss(**SOFTMAX), torchghm.GHMRLoss.published(), stage="roi")
    assert run(model, batch)["loss_classifier"] != expected["loss_classifier"]


def test_torchvisions_losses_are_not_called(model, monkeypatch):
    batch = small_batch()
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published())
    monkeypatch.setattr(F, "binary_cross_entropy_with_logits", None)
    assert run(model, batch)["loss_objectness"] > 0
    # should a later torchvision compute its loss elsewhere, that is said
    monkeypatch.setattr(RoIHeads, "forward", lambda self, *arguments: None)
    with pytest.raises(RuntimeError, match="RoIHeads.forward to call fastrcnn_loss"):
        run(model, batch)


def test_labels_start_at_0(model):
    """Targets are not changed, detections are in the same convention."""
    images, targets = small_batch(empty=False)
    model.roi_heads.box_predictor.cls_score.bias.data += torch.tensor([0.0, 9.0, 0.0, 0.0])
    run(model, (images, targets))
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


def test_levels_of_the_rpn_alone(model):
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published(), scope="level")
    assert len(model.rpn.box_loss.levels) == 5
    assert type(model.roi_heads.box_loss) is torchghm.GHMRLoss
