from __future__ import annotations

import pytest
import torch
from tests.detection.models import few_proposals, frozen, harmonized, run_seeded, small_batch, small_detector
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone

import torchghm
from torchghm.detection import detection_examples, harmonize, restore


def test_mask_rcnn_keeps_the_loss_of_its_masks():
    backbone = mobilenet_backbone(backbone_name="mobilenet_v3_large", weights=None, fpn=True, trainable_layers=6)
    anchors = AnchorGenerator(((16, 32, 64),) * 3, ((1.0,),) * 3)
    torch.manual_seed(0)
    model = few_proposals(MaskRCNN(backbone, 4, min_size=64, max_size=96, rpn_anchor_generator=anchors)).train()
    frozen(model)
    images, targets = small_batch(empty=False)
    for target in targets:
        target["labels"] += 1  # torchvision's convention
        target["masks"] = torch.ones(len(target["labels"]), 64, 96, dtype=torch.uint8)
    torch.manual_seed(2)
    own = model(images, targets)
    harmonize(model, box_loss=torchghm.GHMRLoss.published(), stage="roi")
    torch.manual_seed(2)
    losses = model(images, targets)
    assert losses["loss_mask"] == own["loss_mask"]
    assert losses["loss_classifier"] == own["loss_classifier"]
    assert losses["loss_box_reg"] != own["loss_box_reg"]
    harmonized(model)  # both stages
    torch.manual_seed(2)
    losses = model(images, targets)
    assert losses["loss_mask"] == own["loss_mask"]
    examples = detection_examples(model, images, targets)
    expected = torchghm.functional.ghmc_loss(examples.logits, examples.targets)
    torch.testing.assert_close(losses["loss_objectness"], expected, rtol=1e-3, atol=0)
    assert losses["loss_rpn_box_reg"] != own["loss_rpn_box_reg"]
    assert type(restore(model)) is MaskRCNN


SOFTMAX = {"activation": "softmax"}


@pytest.fixture
def model():
    return frozen(small_detector("faster_rcnn"))


def test_ghmr_of_the_second_stage_over_the_whole_batch(model):
    """The published experiment: smooth L1 of the box regression replaced, everything else as it was."""
    batch = small_batch(empty=False)
    model.roi_heads.fg_bg_sampler.batch_size_per_image = 10**6  # all proposals: nothing is drawn
    model.roi_heads.fg_bg_sampler.positive_fraction = 0.5
    expected = run_seeded(model, batch)
    harmonize(model, box_loss=torchghm.GHMRLoss.published(momentum=0), stage="roi")
    losses = run_seeded(model, batch)
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
    expected = run_seeded(model, batch)
    harmonize(model, box_loss=torchghm.SmoothL1Loss(reduction="sum"), stage="roi")
    losses = run_seeded(model, batch)
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
    expected = run_seeded(model, batch)
    harmonize(model, torchghm.CrossEntropyLoss(average="examples", **SOFTMAX), stage="roi")
    losses = run_seeded(model, batch)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-4, atol=1e-7)
    assert model.cls_terms == ("loss_classifier",)
    examples = detection_examples(model, *batch)
    assert set(examples.targets.unique().tolist()) == {0, 1, 2, 3}  # classes 0 to 2, after the background
    harmonize(model, torchghm.GHMCLoss(**SOFTMAX), torchghm.GHMRLoss.published(), stage="roi")
    assert run_seeded(model, batch)["loss_classifier"] != expected["loss_classifier"]
