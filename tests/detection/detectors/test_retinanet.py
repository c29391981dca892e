"""RetinaNet: torchvision's own numbers are reproduced, and its traps avoided."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from tests.detection.models import frozen, small_retinanet
from torchvision.models.detection import retinanet_resnet50_fpn_v2

import torchghm
from torchghm.detection import build_detector, detection_examples, harmonize


def test_torchvision_numbers_are_reproduced_by_the_baselines(batch):
    """Focal loss and L1 behind the same hook equal torchvision's own, for one image without padding."""
    images, targets = batch[0][:1], batch[1][:1]
    model = frozen(small_retinanet())
    expected = model(images, targets)
    harmonize(model, torchghm.FocalLoss(), torchghm.SmoothL1Loss(delta=0, average="boxes"))
    losses = model(images, targets)
    torch.testing.assert_close(losses["classification"], expected["classification"], rtol=1e-4, atol=0)
    torch.testing.assert_close(losses["bbox_regression"], expected["bbox_regression"], rtol=1e-4, atol=0)


def test_background_channel(batch):
    images, targets = batch
    targets[0]["labels"] += 1  # torchvision's convention: 0 is background
    torch.manual_seed(0)
    model = build_detector(num_classes=4, backbone="resnet18", image_size=(64, 96)).train()
    harmonize(model, torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(), background_channel=True)
    examples = detection_examples(model, images, targets)
    assert examples.logits.shape[-1] == 3
    assert set(examples.targets.unique().tolist()) <= {-100, -1, 0, 2}
    model(images, targets)["classification"].backward()
    head = model.head.classification_head.cls_logits
    assert (head.bias.grad.view(9, 4)[:, 0] == 0).all()
    assert (head.bias.grad.view(9, 4)[:, 1:] != 0).any()
    with torch.no_grad():
        head.bias.view(9, 4)[:, :2] = 1.0  # both channels are loud, one of them untaught
    detections = model.eval()(images)
    assert all(set(detection["labels"].tolist()) == {1} for detection in detections)


def test_box_coder_weights_do_not_change_the_residuals(batch):
    model = frozen(harmonize(small_retinanet(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published()))
    plain = detection_examples(model, *batch)
    coder = model.head.regression_head.box_coder
    coder.weights = (10.0, 10.0, 5.0, 5.0)
    weighted = detection_examples(model, *batch)
    torch.testing.assert_close(weighted.encoded, plain.encoded)
    torch.testing.assert_close(weighted.predicted * torch.tensor(coder.weights), plain.predicted)


def test_giou_head_is_switched_to_encoded_residuals(batch):
    torch.manual_seed(0)
    model = retinanet_resnet50_fpn_v2(
        weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=96
    ).train()
    assert model.head.regression_head._loss_type == "giou"
    losses = harmonize(model, torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(momentum=0))(*batch)
    examples = detection_examples(model, *batch)
    expected = torchghm.functional.ghmr_loss(examples.predicted, examples.encoded)
    torch.testing.assert_close(losses["bbox_regression"], expected, rtol=1e-3, atol=0)


def test_focal_loss_of_torchvision_is_not_called(batch, monkeypatch):
    """The hook fired: torchvision's own loss would fail here."""
    monkeypatch.setattr("torchvision.models.detection.retinanet.sigmoid_focal_loss", None)
    monkeypatch.setattr(F, "l1_loss", None)
    harmonize(small_retinanet(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published())(*batch)
