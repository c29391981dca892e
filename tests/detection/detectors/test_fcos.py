"""FCOS: torchvision's numbers behind the hook, its centerness, the distances that GHM-R sees."""

from __future__ import annotations

import pytest
import torch
from tests.detection.models import small_batch, small_detector
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead

import torchghm
from torchghm.detection import detection_examples, harmonize, restore
from torchghm.detection.detectors.fcos import MatchingFCOSHead


def test_focal_loss_behind_the_hook_is_torchvisions():
    images, targets = small_batch()
    model = small_detector("fcos")
    expected = model(images, targets)
    harmonize(model, torchghm.FocalLoss())
    losses = model(images, targets)
    for name in ("classification", "bbox_regression", "bbox_ctrness"):
        torch.testing.assert_close(losses[name], expected[name], rtol=1e-5, atol=0)
    harmonize(model, box_loss=torchghm.GHMRLoss.published())
    losses = model(images, targets)
    assert losses["classification"] == expected["classification"]
    assert losses["bbox_ctrness"] == expected["bbox_ctrness"]
    assert losses["bbox_regression"] != expected["bbox_regression"]


def test_centerness_keeps_its_gradient():
    """Its loss is computed from the positives alone; all others had no part in it before."""
    images, targets = small_batch(empty=False)
    gradients = []
    for losses in ((), (torchghm.GHMCLoss(), torchghm.GHMRLoss.published())):
        model = small_detector("fcos")
        if losses:
            harmonize(model, *losses)
        model(images, targets)["bbox_ctrness"].backward()
        gradients.append(model.head.regression_head.bbox_ctrness.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-7)


def test_box_loss_sees_distances_in_units_of_the_stride():
    images, targets = small_batch()
    model = harmonize(small_detector("fcos"), torchghm.GHMCLoss(), torchghm.GHMRLoss.published(mu="auto"))
    examples = detection_examples(model, images, targets)
    batch, scaled = model.transform(images, targets)
    anchors = model.anchor_generator(batch, list(model.backbone(batch.tensors).values()))[0]
    positive = (examples.targets[0] >= 0).nonzero()[:, 0]
    assert torch.equal(positive, examples.positive_anchors)
    for row, anchor in enumerate(positive):
        x, y = ((anchors[anchor, :2] + anchors[anchor, 2:]) / 2).tolist()
        stride = (anchors[anchor, 2] - anchors[anchor, 0]).item()
        label = examples.targets[0, anchor]
        left, top, right, bottom = scaled[0]["boxes"][scaled[0]["labels"] == label][0].tolist()
        expected = torch.tensor([x - left, y - top, right - x, bottom - y]) / stride
        torch.testing.assert_close(examples.encoded[row], expected)
        assert (expected > 0).all()
    assert set(examples.targets[1].tolist()) == {-1}  # no object, no band between


def test_ghmr_replaces_the_generalized_iou(monkeypatch):
    images, targets = small_batch()
    model = harmonize(small_detector("fcos"), torchghm.GHMCLoss(momentum=0), torchghm.GHMRLoss.published(momentum=0))
    losses = model(images, targets)
    examples = detection_examples(model, images, targets)
    expected = torchghm.functional.ghmr_loss(examples.predicted, examples.encoded)
    torch.testing.assert_close(losses["bbox_regression"], expected, rtol=1e-4, atol=0)
    assert examples.encoded.abs().median() > 1  # hence a larger mu


def test_background_channel():
    images, targets = small_batch()
    targets[0]["labels"] += 1  # torchvision's convention: 0 is background
    model = small_detector("fcos", num_classes=4)
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss.published(), background_channel=True)
    examples = detection_examples(model, images, targets)
    assert examples.logits.shape[-1] == 3
    assert set(examples.targets.unique().tolist()) <= {-100, -1, 0, 2}
    model(images, targets)["classification"].backward()
    bias = model.head.classification_head.cls_logits.bias
    assert bias.grad[0] == 0
    assert (bias.grad[1:] != 0).all()
    with torch.no_grad():
        bias[:2] = 1.0  # both channels are loud, one of them untaught
    detections = model.eval()(images)
    assert all(set(detection["labels"].tolist()) == {1} for detection in detections)


class OwnHead(FCOSHead):
    """A user's head."""


def test_a_head_of_the_users_own_is_refused():
    backbone = torch.nn.Conv2d(3, 32, 3)
    backbone.out_channels = 32
    model = FCOS(backbone, 2, anchor_generator=AnchorGenerator(((8,),), ((1.0,),)), head=OwnHead(32, 1, 2))
    with pytest.raises(TypeError, match=r"`model\.head` to be a torchvision FCOSHead, but got .*OwnHead"):
        harmonize(model, torchghm.GHMCLoss())
    assert type(model) is FCOS
    model.head = FCOSHead(32, 1, 2)
    assert type(harmonize(model, torchghm.GHMCLoss()).head) is MatchingFCOSHead
    assert type(restore(model).head) is FCOSHead
