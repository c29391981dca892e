"""Transformers' DETR family: the hook fires in every branch, with the whole batch, and only while training."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from tests.ranks import on_ranks

import torchghm

from tests.integrations.transformers.models import BUILD, CLASSES, QUERIES, batch, build, transformers  # isort: skip

from torchghm.integrations.transformers import harmonize, restore

BRANCHES = {"RTDetr": 7, "RTDetrV2": 7, "DFine": 7}  # three layers and an encoder, three layers of denoising


def losses_for(family, **options):
    activation = "softmax" if family == "Detr" else "sigmoid"
    return torchghm.GHMCLoss(activation=activation, **options), torchghm.GHMRLoss(bins=options.get("bins", 10))


@pytest.mark.parametrize("family", BUILD)
def test_every_branch_calls_its_own_loss_under_the_hosts_keys(family):
    model = build(family)
    own = model(**batch()).loss_dict
    harmonize(model, *losses_for(family))
    outputs = model(**batch())
    outputs.loss.backward()
    assert outputs.loss_dict.keys() == own.keys()
    branches = BRANCHES.get(family, 3)
    hook = model.loss_function
    assert len(hook.cls_losses.branches) == len(hook.box_losses.branches) == branches
    assert hook.calls == 2 * branches
    assert all(loss.diagnostics is not None for loss in hook.cls_losses.branches.values())
    assert not [name for name in model.state_dict() if "density" in name or "branches" in name]
    restore(model)
    again = model(**batch()).loss_dict
    assert {key: again[key].item() for key in own if "_dn" not in key} == pytest.approx(
        {key: own[key].item() for key in own if "_dn" not in key}
    )


def matched_classes(matcher, outputs, labels):
    """One-hot targets [B, Q, K] by a matcher of the host."""
    targets = torch.zeros(outputs.logits.shape)
    pairs = matcher({"logits": outputs.logits, "pred_boxes": outputs.pred_boxes}, labels)
    for image, (queries, objects) in enumerate(pairs):
        targets[image, queries, labels[image]["class_labels"][objects]] = 1
    return targets


@pytest.mark.parametrize("family", [family for family in BUILD if family != "Detr"])
def test_one_region_is_the_cross_entropy_of_the_host_by_objects(family):
    from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher
    from transformers.loss.loss_rt_detr import RTDetrHungarianMatcher

    model = build(family, num_denoising=0)
    loss = torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None)
    harmonize(model, loss, targets="class")
    outputs = model(**batch())
    config = model.config
    if hasattr(config, "matcher_class_cost"):
        matcher = RTDetrHungarianMatcher(config)
    else:
        matcher = DeformableDetrHungarianMatcher(config.class_cost, config.bbox_cost, config.giou_cost)
    targets = matched_classes(matcher, outputs, batch()["labels"])
    entropy = F.binary_cross_entropy_with_logits(outputs.logits, targets, reduction="sum") / 4
    key = "loss_vfl" if family in BRANCHES else "loss_ce"
    assert outputs.loss_dict[key].item() == pytest.approx(entropy.item(), rel=1e-5)


@pytest.mark.parametrize("family", BRANCHES)
def test_one_region_with_the_hosts_weights_is_its_own_varifocal_loss(family):
    model = build(family)
    torch.manual_seed(2)  # of the denoising queries
    own = model(**batch()).loss_dict
    harmonize(model, torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None))
    torch.manual_seed(2)
    outputs = model(**batch())
    keys = [key for key in own if "loss_vfl" in key]
    assert len(keys) == BRANCHES[family]
    for key in keys:
        assert outputs.loss_dict[key].item() == pytest.approx(own[key].item(), rel=1e-5)


def test_without_the_hosts_weights_the_divisor_is_the_sum_of_overlaps():
    model = build("RTDetr")
    loss = torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None)
    harmonize(model, loss, weights="none")
    outputs = model(**batch())
    last = model.loss_function.cls_losses.branches["last"]
    entropy = last.diagnostics.plain_loss * 2 * QUERIES * CLASSES
    assert outputs.loss_dict["loss_vfl"].item() == pytest.approx(
        (entropy / last.last_total.clamp(min=1)).item(), rel=1e-4
    )


def test_one_region_is_detrs_own_cross_entropy():
    model = build("Detr", eos_coefficient=1.0)
    own = model(**batch()).loss_dict
    harmonize(model, torchghm.GHMCLoss(bins=1, activation="softmax"))
    ours = model(**batch()).loss_dict
    for key in ("loss_ce", "loss_ce_0", "loss_ce_1"):
        assert ours[key].item() == pytest.approx(own[key].item(), rel=1e-5)


@pytest.mark.parametrize("family", ["RTDetr", "Detr"])
def test_box_loss_is_on_the_hosts_scale(family):
    """ASL1 of a tiny mu is L1."""
    model = build(family, num_denoising=0)
    own = model(**batch()).loss_dict
    harmonize(model, box_loss=torchghm.ASL1Loss(mu=1e-9))
    ours = model(**batch()).loss_dict
    scale = model.config.weight_loss_bbox if family == "RTDetr" else 1
    assert ours["loss_bbox"].item() == pytest.approx(own["loss_bbox"].item() if scale else 0, rel=1e-4)
    assert ours["loss_giou"].item() == pytest.approx(own["loss_giou"].item(), rel=1e-5)


def last_histogram(family, images):
    model = build(family, num_denoising=0)
    freeze_batch_norm(model)
    harmonize(model, losses_for(family)[0], weights="none")
    model(**images)
    return model.loss_function.cls_losses.branches["last"].diagnostics.local_histogram


@pytest.mark.parametrize("family", ["RTDetr", "Detr"])
def test_density_is_of_the_whole_batch(family):
    images = batch()
    halves = [
        {"pixel_values": images["pixel_values"][i : i + 1], "labels": images["labels"][i : i + 1]} for i in (0, 1)
    ]
    whole = last_histogram(family, images)
    assert whole.sum() == 2 * QUERIES * (1 if family == "Detr" else CLASSES)
    torch.testing.assert_close(whole, last_histogram(family, halves[0]) + last_histogram(family, halves[1]))


def test_evaluation_remembers_nothing():
    model = harmonize(build("RTDetr"), *losses_for("RTDetr"))
    model(**batch())
    before = copy.deepcopy(model.loss_function.state_dict())
    calls = model.loss_function.calls
    with torch.no_grad():
        loss = model.eval()(**batch()).loss
    assert loss.isfinite()
    assert model.loss_function.calls == calls
    torch.testing.assert_close(model.loss_function.state_dict(), before)


def test_state_is_restored_into_branches_not_seen_yet():
    model = harmonize(build("RTDetr"), *losses_for("RTDetr"))
    model(**batch())
    state = model.loss_function.state_dict()
    new = harmonize(build("RTDetr"), *losses_for("RTDetr"))
    new.loss_function.load_state_dict(state)
    torch.testing.assert_close(new.loss_function.state_dict(), state)
    other = harmonize(build("RTDetr"), torchghm.GHMCLoss(bins=10), torchghm.GHMRLoss())
    with pytest.raises(RuntimeError, match="saved with 30 regions, but this loss has 10"):
        other.loss_function.load_state_dict(state)
    with pytest.raises(ValueError, match="Expected a state of cls_losses"):
        harmonize(build("RTDetr"), torchghm.GHMCLoss()).loss_function.load_state_dict(state)


def test_copies_and_pickles_have_losses_of_their_own():
    model = harmonize(build("Detr"), losses_for("Detr")[0])
    model(**batch())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin(**batch())
        assert twin.loss_function.model is twin
        assert twin.loss_function.calls == 2 * model.loss_function.calls


def freeze_batch_norm(model):
    for module in model.modules():
        if "BatchNorm" in type(module).__name__:
            module.eval()


def gradients(model, images):
    freeze_batch_norm(model)
    model(**images).loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def on_rank(rank):
    torch.use_deterministic_algorithms(True, warn_only=True)
    images = batch(4)
    # An unequal spread of boxes would change what the host divides its own terms by.
    own = {"pixel_values": images["pixel_values"][2 * rank :][:2], "labels": images["labels"][2 * rank :][:2]}
    model = harmonize(build("RTDetr", num_denoising=0), torchghm.GHMCLoss(bins=10), torchghm.GHMRLoss())
    found = gradients(model, own)
    for gradient in found.values():
        dist.all_reduce(gradient)
        gradient /= 2
    # A rank without an object has no denoising queries, and must not leave the other one waiting.
    lonely = harmonize(build("RTDetr", num_denoising=6), torchghm.GHMCLoss(bins=10), torchghm.GHMRLoss())
    if rank == 1:
        own["labels"] = [
            {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)} for _ in range(2)
        ]
    lonely(**own).loss.backward()
    return found, lonely.loss_function.state_dict()


def test_two_processes_have_the_gradients_of_one(tmp_path):
    model = harmonize(build("RTDetr", num_denoising=0), torchghm.GHMCLoss(bins=10), torchghm.GHMRLoss())
    alone = gradients(model, batch(4))
    (first, first_state), (second, second_state) = on_ranks(on_rank, tmp_path)
    for name, gradient in alone.items():
        torch.testing.assert_close(first[name], gradient, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: name + text)
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first_state, second_state)
    assert "branches.denoising_2.density_state.fractions" in second_state["cls_losses"]


def test_what_does_not_fit_is_named():
    model = build("RTDetr")
    with pytest.raises(TypeError, match="Expected argument `cls_loss` or `box_loss` to be a loss"):
        harmonize(model)
    with pytest.raises(TypeError, match="GHMCLoss or another loss of its kind, but got ReferenceGHMC, whose call"):
        harmonize(model, torchghm.ReferenceGHMC())
    with pytest.raises(TypeError, match="`box_loss` to be None or a GHMRLoss"):
        harmonize(model, box_loss=torchghm.GHMCLoss())
    with pytest.raises(ValueError, match="activation='sigmoid', but got activation='softmax'"):
        harmonize(model, torchghm.GHMCLoss(activation="softmax"))
    with pytest.raises(ValueError, match="activation='softmax', but got activation='sigmoid'"):
        harmonize(build("Detr"), torchghm.GHMCLoss())
    with pytest.raises(ValueError, match="reduction='mean', but got reduction='sum'"):
        harmonize(model, torchghm.GHMCLoss(reduction="sum"))
    with pytest.raises(ValueError, match="`targets` to be one of 'quality', 'class', but got 'soft'"):
        harmonize(model, torchghm.GHMCLoss(), targets="soft")
    with pytest.raises(TypeError, match=r"RTDetrForObjectDetection, .*but got torch.nn.modules.linear.Linear"):
        harmonize(torch.nn.Linear(1, 1), torchghm.GHMCLoss())
    yolos = transformers.YolosForObjectDetection(
        transformers.YolosConfig(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=[32, 32]
        )
    )
    with pytest.raises(TypeError, match=r"DabDetrForObjectDetection, or of .*but got .*YolosForObjectDetection"):
        harmonize(yolos, torchghm.GHMCLoss())
    images = batch()
    images["labels"][0]["class_labels"][0] = CLASSES
    with pytest.raises(ValueError, match="labels from 0 to 3, but got values from 1 to 4: the model was built for 4"):
        harmonize(build("Detr"), torchghm.GHMCLoss(activation="softmax"))(**images)


def test_version_outside_what_was_tested_is_said(monkeypatch):
    from torchghm.integrations import hosts

    monkeypatch.setitem(hosts.TESTED, "transformers", "4.99")
    with pytest.warns(hosts.UntestedVersionWarning, match=f"transformers 4.99, and {transformers.__version__} is inst"):
        harmonize(build("RTDetr"), torchghm.GHMCLoss())
