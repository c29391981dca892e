"""SSD: no mining, softmax or sigmoid, detections scored as they were trained."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.detection.models import frozen, small_batch, small_detector

import torchghm
from torchghm.detection import detection_examples, harmonize, restore

SOFTMAX = {"activation": "softmax"}


@pytest.fixture
def model():
    return frozen(small_detector("ssdlite320"))


def test_torchvisions_numbers_with_every_negative_mined(model):
    """Cross entropy and smooth L1 behind the hook are torchvision's, once it mines all negatives."""
    images, targets = small_batch(empty=False)
    model.neg_to_pos_ratio = 1e6
    model.box_coder.weights = (1.0, 1.0, 1.0, 1.0)
    expected = model(images, targets)
    harmonize(
        model, torchghm.CrossEntropyLoss(reduction="sum", **SOFTMAX), torchghm.SmoothL1Loss(delta=1.0, average="boxes")
    )
    losses = model(images, targets)
    examples = detection_examples(model, images, targets)
    positive = examples.targets > 0
    # those torchvision counts a second time where it asks for more negatives than there are
    twice = F.cross_entropy(examples.logits[positive], examples.targets[positive])
    every = losses["classification"] / positive.sum()
    torch.testing.assert_close(every + twice, expected["classification"], rtol=1e-4, atol=0)
    torch.testing.assert_close(losses["bbox_regression"], expected["bbox_regression"], rtol=1e-4, atol=0)


def test_torchvisions_losses_are_not_called(model, monkeypatch):
    images, targets = small_batch()
    monkeypatch.setattr(F, "cross_entropy", None)
    monkeypatch.setattr(F, "smooth_l1_loss", None)
    losses = harmonize(model, torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published())(images, targets)
    assert losses["classification"] > 0


def test_one_loss_alone(model):
    images, targets = small_batch(empty=False)
    expected = model(images, targets)
    harmonize(model, torchghm.GHMCLoss.published(**SOFTMAX))
    torch.testing.assert_close(model(images, targets)["bbox_regression"], expected["bbox_regression"])
    harmonize(model, box_loss=torchghm.GHMRLoss.published())
    torch.testing.assert_close(model(images, targets)["classification"], expected["classification"])


def test_softmax_sees_every_column_and_sigmoid_all_but_the_background(model):
    images, targets = small_batch(empty=False)
    harmonize(model, torchghm.GHMCLoss.published(**SOFTMAX), torchghm.GHMRLoss.published())
    softmax = detection_examples(model, images, targets)
    assert softmax.activation == "softmax"
    assert softmax.logits.shape[2] == 4
    assert set(softmax.targets[0].tolist()) == {0, 1, 3}  # classes 0 and 2, after the background
    harmonize(model, torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published())
    sigmoid = detection_examples(model, images, targets)
    assert sigmoid.activation == "sigmoid"
    torch.testing.assert_close(sigmoid.logits, softmax.logits[..., 1:])
    assert torch.equal(sigmoid.targets, softmax.targets - 1)
    assert {level.activation for level in softmax.levels()} == {"softmax"}


def test_softmax_ghm_over_all_default_boxes(model):
    images, targets = small_batch(empty=False)
    harmonize(model, torchghm.GHMCLoss.published(momentum=0, **SOFTMAX), torchghm.GHMRLoss.published())
    examples = detection_examples(model, images, targets)
    expected = torchghm.functional.ghmc_loss(examples.logits, examples.targets, activation="softmax")
    torch.testing.assert_close(model(images, targets)["classification"], expected, rtol=1e-4, atol=0)
    assert model.cls_loss.last_total == 2 * 3234  # every box of both images


def test_residuals_are_free_of_the_coders_weights(model):
    images, targets = small_batch()
    harmonize(model, torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published())
    weighted = detection_examples(model, images, targets)
    assert tuple(model.box_coder.weights) == (10.0, 10.0, 5.0, 5.0)
    model.box_coder.weights = (1.0, 1.0, 1.0, 1.0)
    plain = detection_examples(model, images, targets)
    torch.testing.assert_close(weighted.encoded, plain.encoded)
    torch.testing.assert_close(weighted.predicted * torch.tensor([10.0, 10, 5, 5]), plain.predicted)


def test_detections_of_the_sigmoid_equal_those_of_a_softmax_with_one_class():
    """softmax([0, x]) is sigmoid(x): with a background of logit 0 both have to give the same detections."""
    model = frozen(small_detector("ssdlite320", num_classes=1, score_threshold=0.3))
    for level in model.head.classification_head.module_list:
        torch.nn.init.normal_(level[-1].weight, std=0.3)
        level[-1].weight.data.view(6, 2, -1)[:, 0] = 0
        level[-1].bias.data.zero_()
    images, _ = small_batch()
    model.eval()
    with torch.no_grad():
        expected = model(images)
        found = harmonize(model, torchghm.GHMCLoss.published())(images)
        torch.testing.assert_close(found, expected)
        assert all(len(image["scores"]) > 5 for image in found)
        assert all((image["labels"] == 0).all() for image in found)
        harmonize(model, torchghm.GHMCLoss.published(**SOFTMAX))
        torch.testing.assert_close(model(images), expected)


def test_the_sigmoid_scores_every_class(model):
    """The best scores of an image are the largest sigmoids of its logits, whatever the background's column says."""
    images, _ = small_batch()
    harmonize(model.eval(), torchghm.GHMCLoss.published())
    for level in model.head.classification_head.module_list:
        level[-1].bias.data.view(6, 4)[:, 0] = 50.0  # a softmax would find nothing
        level[-1].bias.data.view(6, 4)[:, 1:] = torch.tensor([-9.0, 1.0, 0.5])
    with torch.no_grad():
        (found, _) = model(images)
        batch, _ = model.transform(images)
        logits = model.head(list(model.backbone(batch.tensors).values()))["cls_logits"][0, :, 1:]
    assert set(found["labels"].tolist()) == {1, 2}
    torch.testing.assert_close(found["scores"][0], logits.sigmoid().max())
    assert (found["scores"][:-1] >= found["scores"][1:]).all()
    assert len(found["scores"]) <= model.detections_per_img
    assert restore(model)(images)[0]["scores"].numel() == 0


def test_what_is_refused(model):
    with pytest.raises(ValueError, match="`background_channel` for a SSD"):
        harmonize(model, torchghm.GHMCLoss.published(), background_channel=True)
    with pytest.raises(ValueError, match="`stage` for a SSD, which has one"):
        harmonize(model, torchghm.GHMCLoss.published(), stage="rpn")
    with pytest.raises(ValueError, match="reduction='mean' for scope='level', but got 'sum'"):
        harmonize(model, torchghm.GHMCLoss.published(reduction="sum"), scope="level")
    assert type(model).__module__.startswith("torchvision")
