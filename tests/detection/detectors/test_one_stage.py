from __future__ import annotations

import torch
from tests.detection.models import frozen, small_retinanet

import torchghm
from torchghm.detection import detection_examples, harmonize


def test_padding_is_background(batch):
    """Its anchors predict when the detector is used: never taught, they fill the image's edge with false detections."""
    images, targets = batch
    model = harmonize(small_retinanet(), torchghm.GHMCLoss.published())
    targets = detection_examples(model, images, targets).targets
    padded, _ = model.transform(images)
    anchors = model.anchor_generator(padded, list(model.backbone(padded.tensors).values()))[1]
    # the second image is 64 of 96 pixels wide, without an object
    assert padded.image_sizes[1] == (64, 64)
    padding = (anchors[:, 0] + anchors[:, 2]) / 2 > 64
    assert 0.2 < padding.float().mean() < 0.45
    assert (targets[1, padding] == -1).all()


def test_one_loss_alone(batch):
    model = frozen(small_retinanet())
    expected = model(*batch)
    harmonize(model, cls_loss=torchghm.GHMCLoss.published())
    torch.testing.assert_close(model(*batch)["bbox_regression"], expected["bbox_regression"])
    harmonize(model, box_loss=torchghm.GHMRLoss.published())
    torch.testing.assert_close(model(*batch)["classification"], expected["classification"])
