"""Ultralytics' criteria: soft targets of the whole batch, a state for each branch, the host's own scale."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from tests.ranks import on_ranks

import torchghm

from tests.integrations.ultralytics.models import CLASSES, batch, build, ultralytics  # isort: skip

from torchghm.integrations.ultralytics.criteria import TrainingLosses, harmonize_criterion

assert ultralytics
HEADS = ("distributions", "two_branches", "rtdetr")
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2


def harmonized(head, cls_loss=None, box_loss=None, weights="none", **hyper):
    model = build(head, **hyper)
    losses = TrainingLosses(cls_loss, box_loss, weights)
    harmonize_criterion(model, losses)
    return model, losses


def one_region():
    return torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None)


def items(model, images):
    torch.manual_seed(2)  # of the noise in denoising queries
    return {name: value.item() for name, value in model.loss(images)[1].items()}


@pytest.mark.parametrize("head", ["distributions", "two_branches"])
def test_one_region_is_the_hosts_own_cross_entropy(head):
    model, _ = harmonized(head, one_region())
    own, ours = items(build(head), batch()), items(model, batch())
    assert own["cls_loss"] > 1
    assert ours == pytest.approx(own, rel=1e-5)


def test_box_loss_of_tiny_mu_is_the_hosts_own():
    model, _ = harmonized("two_branches", box_loss=torchghm.ASL1Loss(mu=1e-9))
    own, ours = items(build("two_branches"), batch()), items(model, batch())
    assert own["l1_loss"] > 0
    assert ours == pytest.approx(own, rel=1e-4)
    model, _ = harmonized("rtdetr", box_loss=torchghm.ASL1Loss(mu=1e-9))
    assert items(model, batch()) == pytest.approx(items(build("rtdetr"), batch()), rel=1e-4)


def test_rtdetr_has_the_cross_entropy_of_quality_targets():
    """Sum of p* = sum of the matched boxes' overlaps, through which ours divides."""
    model, losses = harmonized("rtdetr", one_region())  # without the host's weights
    ours = items(model, batch())
    assert ours.keys() == {"giou_loss", "cls_loss", "l1_loss"}
    assert ours["giou_loss"] == pytest.approx(items(build("rtdetr"), batch())["giou_loss"], rel=1e-5)
    diagnostics = losses.cls_losses.branch("last").diagnostics
    entropy_sum = diagnostics.plain_loss * 2 * 20 * CLASSES
    quality = losses.cls_losses.branch("last").last_total.clamp(min=1)
    assert ours["cls_loss"] == pytest.approx((entropy_sum / quality).item(), rel=1e-4)


def test_one_region_with_the_hosts_weights_is_rtdetrs_own_varifocal_loss():
    model, _ = harmonized("rtdetr", one_region(), weights="host")
    own = items(build("rtdetr"), batch())
    assert own["cls_loss"] > 0
    assert items(model, batch()) == pytest.approx(own, rel=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_every_branch_has_a_state_of_the_whole_batch(head):
    histograms = []
    for only in (slice(None), slice(0, 1), slice(1, 2)):
        model, losses = harmonized(head, torchghm.GHMCLoss())
        torch.manual_seed(2)
        model.loss(batch(only=only))[0].sum().backward()
        histograms.append({name: loss.diagnostics.local_histogram for name, loss in losses.cls_losses.branches.items()})
    whole, first, second = histograms
    expected = {"distributions": {"one2many"}, "two_branches": {"one2many", "one2one"}}
    if head == "rtdetr":
        assert len(whole) == 4 + 3  # the encoder and three layers; three layers of denoising
        assert whole["last"].sum() == 2 * 20 * CLASSES
        names = {name for name in whole if "_dn" not in name}
    else:
        assert whole.keys() == expected[head]
        assert all(histogram.sum() == 2 * ANCHORS * CLASSES for histogram in whole.values())
        names = set(whole)
    for name in names:
        torch.testing.assert_close(whole[name], first[name] + second[name])


@pytest.mark.parametrize("head", HEADS)
def test_nothing_is_remembered_without_gradients(head):
    model, losses = harmonized(head, torchghm.GHMCLoss())
    with torch.no_grad():
        model.loss(batch())
    assert losses.cls_losses.calls == 0
    assert all(loss.density_state.seen == 0 for loss in losses.cls_losses.branches.values())


def test_images_without_objects():
    for head in HEADS:
        model, losses = harmonized(head, torchghm.GHMCLoss(), None if head == "distributions" else torchghm.GHMRLoss())
        images = batch() | {"batch_idx": torch.zeros(0), "cls": torch.zeros(0, 1), "bboxes": torch.zeros(0, 4)}
        loss = model.loss(images)[0].sum()
        loss.backward()
        assert loss.isfinite()
        assert losses.cls_losses.calls > 0


def gradients(head, images, factor=1):
    """Compute the gradients of classes (and for RT-DETR boxes) alone: the host divides its own by a rank's objects."""
    box_loss = torchghm.GHMRLoss() if head == "rtdetr" else None
    model, losses = harmonized(head, torchghm.GHMCLoss(bins=5), box_loss, box=0.0, dfl=0.0)
    if head == "rtdetr":
        model.criterion.loss_gain["giou"] = 0
        model.model[-1].num_denoising = 0  # noise
    (factor * model.loss(images)[0].sum()).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}, losses


def on_rank(rank):
    found = {}
    for head in HEADS:
        # As the host does: times the number of ranks, because a wrapper averages.
        found[head], _ = gradients(head, batch(4, slice(2 * rank, 2 * rank + 2)), factor=2 if head != "rtdetr" else 1)
        for gradient in found[head].values():
            dist.all_reduce(gradient)
            gradient /= 2
    model, losses = harmonized("rtdetr", torchghm.GHMCLoss(), torchghm.GHMRLoss())
    images = batch()
    if rank == 1:  # without an object there are no denoising queries, and the other rank must not wait
        images |= {"batch_idx": torch.zeros(0), "cls": torch.zeros(0, 1), "bboxes": torch.zeros(0, 4)}
    model.loss(images)[0].backward()
    return found, {name: loss.state_dict() for name, loss in losses.all().items()}


def test_two_processes_have_the_gradients_of_one(tmp_path):
    (first, first_state), (second, second_state) = on_ranks(on_rank, tmp_path)
    for head in HEADS:
        alone, _ = gradients(head, batch(4))
        torch.testing.assert_close(first[head], alone, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(first[head], second[head])
    torch.testing.assert_close(first_state, second_state)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="no argument `box_loss` for a head with reg_max=16: it predicts dist"):
        harmonized("distributions", box_loss=torchghm.GHMRLoss())
    model = build("distributions")
    model.class_weights = torch.ones(CLASSES)
    with pytest.raises(ValueError, match="Expected cls_pw=0 beside `cls_loss`"):
        harmonize_criterion(model, TrainingLosses(torchghm.GHMCLoss(), None))
    model.criterion = torch.nn.Identity()
    with pytest.raises(TypeError, match="E2ELoss or RTDETRDetectionLoss, but got DetectionModel with Identity"):
        harmonize_criterion(model, TrainingLosses(torchghm.GHMCLoss(), None))
