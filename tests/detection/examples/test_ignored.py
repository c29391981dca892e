"""Regions that are no examples: none of their anchors is taken for background, in any detector, by any loss."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.detection.models import frozen, small_batch, small_detector
from torchvision.ops import box_iou

import torchghm
from torchghm.detection import detection_examples, harmonize, restore
from torchghm.detection.examples.ignored import inside_ignored

REGION = torch.tensor([[50.0, 4, 94, 40]])
FEW = ("retinanet", "fcos", "ssdlite320", "faster_rcnn")


def with_regions(regions: torch.Tensor = REGION):
    images, targets = small_batch()
    return images, [{**target, "ignored_boxes": regions} for target in targets]


def test_the_rule_is_half_of_the_anchors_own_area():
    anchors = torch.tensor(
        [[0.0, 0, 10, 10], [6, 0, 16, 10], [5, 0, 15, 10], [4, 0, 14, 10], [0, 0, 40, 40], [3, 3, 3, 3]]
    )
    target = {"ignored_boxes": torch.tensor([[10.0, 0, 30, 10], [100, 100, 120, 120]])}
    assert inside_ignored(anchors, target).tolist() == [False, True, True, False, False, False]
    assert not inside_ignored(anchors, {}).any()
    assert not inside_ignored(anchors, {"ignored_boxes": torch.zeros(0, 4)}).any()


@pytest.mark.parametrize("name", FEW)
def test_background_in_a_region_is_no_example_and_all_else_stays(name):
    model = harmonize(frozen(small_detector(name)), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    images, targets = with_regions()
    plain = [{key: target[key] for key in ("boxes", "labels")} for target in targets]
    before, after = (detection_examples(model, images, batch) for batch in (plain, targets))
    changed = before.targets != after.targets
    assert changed.any()
    assert (before.targets[changed] == -1).all()
    assert (after.targets[changed] == -100).all()
    assert torch.equal(before.encoded, after.encoded)
    # By an oracle: the anchors of the model, each by itself, in the resized image's pixels.
    batch, scaled = model.transform(images, targets)
    features = list(model.backbone(batch.tensors).values())
    generator = model.rpn.anchor_generator if hasattr(model, "rpn") else model.anchor_generator
    for image, (anchors, target) in enumerate(zip(generator(batch, features), scaled, strict=True)):
        scale = torch.tensor([batch.image_sizes[image][1] / 96, batch.image_sizes[image][0] / 64]).repeat(2)
        (x1, y1, x2, y2) = (REGION[0] * scale).tolist()
        torch.testing.assert_close(target["ignored_boxes"][0], REGION[0] * scale)
        for index, (a, b, c, d) in enumerate(anchors.tolist()):
            shared = max(0, min(c, x2) - max(a, x1)) * max(0, min(d, y2) - max(b, y1))
            expected = shared >= 0.5 * (c - a) * (d - b) and before.targets[image, index] == -1
            if abs(shared - 0.5 * (c - a) * (d - b)) > 1e-3:
                assert bool(changed[image, index]) == expected


@pytest.mark.parametrize("name", FEW)
def test_a_region_of_the_whole_image_leaves_no_background_for_any_loss(name):
    """Without objects nothing is left to learn, and the losses of the classes are 0: torchvision's own too."""
    images, _ = small_batch()
    everywhere = torch.tensor([[-1000.0, -1000, 2000, 2000]])
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
    targets = [{**nothing, "ignored_boxes": everywhere} for _ in images]
    for losses in ((torchghm.GHMCLoss(), torchghm.GHMRLoss()), (None, None)):
        model = harmonize(frozen(small_detector(name)), *losses)
        found = model(images, targets)
        plain = model(images, [nothing] * len(images))
        for term in ("classification", "loss_objectness"):
            if term in found:
                assert plain[term] > 0 or (name.startswith("ssd") and losses[0] is None)  # which mines by objects
                assert found[term].nan_to_num() == 0  # an own mean over no anchor is NaN, as torchvision has it


@pytest.mark.parametrize("name", ["fcos", "ssdlite320"])
def test_own_losses_send_no_gradient_into_a_region(name):
    model = harmonize(frozen(small_detector(name)))
    images, targets = with_regions()
    ignored = detection_examples(model, images, targets).targets == -100
    assert ignored.any()
    kept = {}

    def keep(module, arguments, output):
        kept["logits"] = output["cls_logits"]
        output["cls_logits"].retain_grad()

    model.head.register_forward_hook(keep)
    model(images, targets)["classification"].backward()
    assert (kept["logits"].grad[ignored] == 0).all()
    assert kept["logits"].grad[~ignored].abs().sum() > 0


def test_proposals_in_a_region_are_not_drawn():
    model = harmonize(frozen(small_detector("faster_rcnn")), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    heads = model.roi_heads
    objects = torch.tensor([[0.0, 0, 20, 20]])
    proposals = torch.tensor([[0.0, 0, 19, 19], [30, 30, 50, 50], [31, 30, 52, 50], [60, 60, 70, 70], [1, 2, 20, 20]])
    target = {"boxes": objects, "labels": torch.tensor([1]), "ignored_boxes": torch.tensor([[0.0, 0, 55, 55]])}
    sampled, _, labels, _ = heads.select_training_samples([proposals], [target])
    background = sampled[0][labels[0] == 0]
    assert background.tolist() == [[60, 60, 70, 70]]
    assert (box_iou(objects, sampled[0][labels[0] == 1]) >= 0.5).all()
    assert (labels[0] == 1).sum() == 3  # the object itself is one of them
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long), "ignored_boxes": objects}
    assert heads.select_training_samples([proposals], [nothing])[0][0].shape == (3, 4)


def test_restored_and_copied_detectors_do_it_as_often_as_before():
    model = harmonize(frozen(small_detector("fcos")), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    model = harmonize(copy.deepcopy(model), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    images, targets = with_regions()
    assert len(model.transform._forward_hooks) == 1
    assert (detection_examples(model, images, targets).targets == -100).any()
    assert not restore(model).transform._forward_hooks


def test_the_transform_may_be_called_by_names():
    model = harmonize(small_detector("retinanet"), torchghm.GHMCLoss())
    images, targets = with_regions()
    _, by_place = model.transform(images, targets)
    for named in ((images,), ()):
        _, by_name = model.transform(*named, **{"targets": targets} | ({} if named else {"images": images}))
        assert all(torch.equal(a["ignored_boxes"], b["ignored_boxes"]) for a, b in zip(by_place, by_name, strict=True))
