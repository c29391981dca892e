"""The IoU that a quality focal loss learns, against torchvision's decoded boxes; and the loss made of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.detection.models import frozen, small_batch, small_detector
from torchvision.ops import box_iou

import torchghm
from torchghm.detection import detection_examples, harmonize
from torchghm.detection.examples.quality import overlap, quality_targets


def corners_by_hand(anchors, encoded, encoding):
    """Decoded boxes [P, 4] xyxy in pixels."""
    centre, size = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    if encoding == "sides":
        return torch.cat([centre - encoded[:, :2] * size, centre + encoded[:, 2:] * size], 1)
    middle, half = centre + encoded[:, :2] * size, encoded[:, 2:].exp() * size / 2
    return torch.cat([middle - half, middle + half], 1)


@pytest.mark.parametrize("encoding", ["center", "sides"])
def test_overlap_is_the_iou_of_decoded_boxes(encoding):
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(50, 2, generator=generator, dtype=torch.float64) * 50
    anchors = torch.cat([corner, corner + 5 + torch.rand(50, 2, generator=generator, dtype=torch.float64) * 40], 1)
    predicted, encoded = torch.randn(2, 50, 4, generator=generator, dtype=torch.float64) / 2
    if encoding == "sides":
        predicted, encoded = predicted.relu(), encoded.abs()
    expected = box_iou(
        corners_by_hand(anchors, predicted, encoding), corners_by_hand(anchors, encoded, encoding)
    ).diagonal()
    assert (expected > 0).sum() > 20
    torch.testing.assert_close(overlap(predicted, encoded, encoding), expected)
    torch.testing.assert_close(overlap(encoded, encoded, encoding), torch.ones(50, dtype=torch.float64))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e4])
def test_a_box_out_of_all_bounds_has_a_quality(bad):
    quality = overlap(torch.full((1, 4), bad), torch.zeros(1, 4), "center")
    assert 0 <= quality <= 1


@pytest.mark.parametrize("name", ["retinanet", "fcos", "ssdlite320", "faster_rcnn"])
def test_a_detector_s_loss_is_that_of_its_boxes_quality(name):
    images, targets = small_batch(empty=False)
    model = harmonize(frozen(small_detector(name)), torchghm.QualityFocalLoss(), torchghm.SmoothL1Loss())
    examples = detection_examples(model, images, targets)
    dense, weight = quality_targets(examples)
    assert ((dense > 0).sum(-1) <= 1).all()
    assert (dense > 0).sum() > 3
    assert dense.max() <= 1
    (image, anchor) = (examples.targets >= 0).nonzero(as_tuple=True)
    of_positives = dense[image, anchor, examples.targets[image, anchor]]
    torch.testing.assert_close(of_positives, overlap(examples.predicted, examples.encoded, examples.encoding))
    logits = examples.logits
    each = (logits.sigmoid() - dense) ** 2 * F.binary_cross_entropy_with_logits(logits, dense, reduction="none")
    expected = (each * weight[..., None]).sum() / (dense > 0).sum()
    losses = model(images, targets)
    torch.testing.assert_close(losses[model.cls_terms[0]], expected)
    losses[model.cls_terms[0]].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_the_encoding_is_the_detector_s():
    images, targets = small_batch()
    kinds = {}
    for name in ("retinanet", "fcos"):
        model = harmonize(small_detector(name), torchghm.QualityFocalLoss())
        examples = detection_examples(model, images, targets)
        kinds[name] = examples.encoding
        assert {level.encoding for level in examples.levels()} == {examples.encoding}
    assert kinds == {"retinanet": "center", "fcos": "sides"}


def test_a_batch_without_any_object_has_a_quality_of_0_everywhere():
    images, targets = small_batch()
    model = harmonize(small_detector("retinanet"), torchghm.QualityFocalLoss())
    loss = model(images[1:], targets[1:])["classification"]
    loss.backward()
    assert loss > 0
