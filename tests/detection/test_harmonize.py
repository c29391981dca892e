"""harmonize(): the hook fires, the density is that of the whole batch, and the traps of the host are avoided."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from tests.detection.models import frozen, small_retinanet
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator

import torchghm
from torchghm.detection import build_detector, detection_examples, harmonize, restore


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (("ghmc",), "`cls_loss` to be a classification loss, a module, or None, but got 'ghmc'"),
        ((torchghm.GHMCLoss,), "`cls_loss` .* but got <class"),
        ((torchghm.GHMRLoss(),), "`cls_loss` to be a classification loss, .* but got GHMRLoss"),
        ((torchghm.GHMCLoss(), torchghm.FocalLoss()), "`box_loss` to be a box loss, .* but got FocalLoss"),
        ((torchghm.GHMCLoss(), torchghm.AsymmetricLoss()), "`box_loss` to be a box loss, .* but got AsymmetricLoss"),
    ],
)
def test_what_is_no_loss_of_the_kind_is_refused(losses, message):
    model = build_detector("retinanet", num_classes=2, backbone="resnet18")
    with pytest.raises(TypeError, match=message):
        harmonize(model, *losses)
    with pytest.raises(TypeError, match="`background_channel` to be True or False, but got 'x'"):
        harmonize(model, background_channel="x")


def test_losses_are_called_once_on_the_whole_batch(batch):
    model = harmonize(
        small_retinanet(), torchghm.GHMCLoss.published(momentum=0), torchghm.GHMRLoss.published(momentum=0)
    )
    losses = model(*batch)
    examples = detection_examples(model, *batch)
    torch.testing.assert_close(
        losses["classification"], torchghm.functional.ghmc_loss(examples.logits, examples.targets), rtol=1e-4, atol=0
    )
    expected = torchghm.functional.ghmr_loss(examples.predicted, examples.encoded)
    torch.testing.assert_close(losses["bbox_regression"], expected, rtol=1e-4, atol=0)
    sum(losses.values()).backward()
    assert model.backbone.body.conv1.weight.grad.abs().sum() > 0


def test_density_is_that_of_the_batch(batch):
    """Splitting the batch changes the loss as predicted: each image alone has another density."""
    images, targets = batch
    targets[1] = {"boxes": torch.tensor([[5.0, 5, 50, 50]]), "labels": torch.tensor([1])}
    images = [images[0], torch.linspace(0, 1, 96).expand(3, 64, 96) ** 4]
    model = frozen(
        harmonize(small_retinanet(), torchghm.GHMCLoss.published(momentum=0), torchghm.GHMRLoss.published(momentum=0))
    )
    # at the start every image has the same two occupied regions
    torch.nn.init.normal_(model.head.classification_head.cls_logits.weight, std=2.0)
    whole = model(images, targets)["classification"]
    beta = model.cls_loss.diagnostics.beta
    examples = detection_examples(model, images, targets)
    joint = torchghm.functional.ghmc_loss(examples.logits, examples.targets)
    torch.testing.assert_close(whole, joint, rtol=1e-4, atol=0)
    for index in range(2):
        part = model(images[index : index + 1], targets[index : index + 1])["classification"]
        alone = torchghm.functional.ghmc_loss(examples.logits[index], examples.targets[index])
        torch.testing.assert_close(part, alone, rtol=1e-3, atol=0)
        # the value hardly tells (each region contributes alike), the weights do
        assert (model.cls_loss.diagnostics.beta / beta - 1).abs().max() > 0.05


def test_each_level_has_a_density_of_its_own(batch):
    model = frozen(
        harmonize(small_retinanet(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(), scope="level")
    )
    losses = model(*batch)
    levels = detection_examples(model, *batch).levels()
    assert [level.targets.shape[1] for level in levels] == list(levels[0].level_sizes) + [
        level.level_sizes[0] for level in levels[1:]
    ]
    counts = torch.tensor([(level.targets != -100).sum() for level in levels]).double()
    parts = torch.stack([torchghm.functional.ghmc_loss(level.logits, level.targets) for level in levels])
    torch.testing.assert_close(
        losses["classification"], (parts * (counts / counts.sum()).float()).sum(), rtol=1e-4, atol=0
    )
    states = [level.density_state.fractions for level in model.cls_loss.levels]
    assert len(states) == 5
    assert not torch.equal(states[0], states[1])


def test_reference_mode_calls_one_loss_a_level_with_one_state(batch):
    cls_loss, box_loss = torchghm.ReferenceGHMC(30, 0.75), torchghm.ReferenceGHMR(momentum=0.7)
    again_cls, again_box = copy.deepcopy(cls_loss), copy.deepcopy(box_loss)
    model = frozen(harmonize(small_retinanet(), cls_loss, box_loss, scope="reference"))
    losses = model(*batch)
    expected_cls, expected_box = 0, 0
    for level in detection_examples(model, *batch).levels():
        targets = level.targets.flatten()
        expected_cls += again_cls(level.logits.reshape(-1, 3), targets, (targets != -100).float())
        expected_box += again_box(level.predicted, level.encoded, torch.ones_like(level.encoded))
    torch.testing.assert_close(losses["classification"], expected_cls, rtol=1e-4, atol=0)
    torch.testing.assert_close(losses["bbox_regression"], expected_box, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(cls_loss.acc_sum, again_cls.acc_sum)


@pytest.mark.parametrize("scope", ["batch", "level"])
def test_saved_moved_copied_and_restored(batch, scope):
    model = harmonize(small_retinanet(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(), scope=scope)
    model(*batch)
    assert any(name.startswith("cls_loss.") for name in model.state_dict())
    twin = copy.deepcopy(model)
    file = io.BytesIO()
    pickle.dump(model, file)
    file.seek(0)
    thawed = pickle.load(file)
    expected = frozen(model)(*batch)["classification"]
    for other in (twin, thawed):
        torch.testing.assert_close(frozen(other)(*batch)["classification"], expected)
    fresh = harmonize(small_retinanet(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(), scope=scope)
    fresh.load_state_dict(thawed.state_dict())
    plain = restore(model)
    assert type(plain) is RetinaNet
    assert not any("loss" in name for name in plain.state_dict())
    assert not plain.anchor_generator._forward_hooks
    assert plain(*batch)["classification"] > 0


def test_a_batch_without_any_object_trains(batch):
    images, targets = batch
    targets = [targets[1], targets[1]]
    model = harmonize(small_retinanet(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published())
    losses = model(images, targets)
    assert losses["bbox_regression"] == 0
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


class OwnRetinaNet(RetinaNet):
    """A user's subclass."""


def test_what_is_refused():
    with pytest.raises(
        TypeError, match=r"RetinaNet, FCOS, SSD, FasterRCNN, MaskRCNN, but got torch\.nn\.modules\.linear\.Linear"
    ):
        harmonize(torch.nn.Linear(1, 1))
    backbone = torch.nn.Conv2d(3, 8, 3)
    backbone.out_channels = 8
    own = OwnRetinaNet(backbone, 2, anchor_generator=AnchorGenerator(((32,),), ((1.0,),)))
    with pytest.raises(TypeError, match="OwnRetinaNet"):
        harmonize(own)
    with pytest.raises(ValueError, match="`scope`.*'image'"):
        harmonize(small_retinanet(), torchghm.GHMCLoss.published(), scope="image")
    with pytest.raises(ValueError, match="a density for scope='level', but got FocalLoss\\."):
        harmonize(small_retinanet(), torchghm.FocalLoss(), scope="level")
    with pytest.raises(ValueError, match="`cls_loss` to be a ReferenceGHMC"):
        harmonize(small_retinanet(), torchghm.GHMCLoss.published(), scope="reference")
    with pytest.raises(ValueError, match="scope='reference' for ReferenceGHMC"):
        harmonize(small_retinanet(), torchghm.ReferenceGHMC())
    with pytest.raises(TypeError, match="made by `harmonize`"):
        detection_examples(small_retinanet(), [], [])


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        ({"cls_loss": torchghm.GHMCLoss.published(activation="softmax")}, "`cls_loss`.*activation='softmax'"),
        ({"cls_loss": torchghm.GHMCLoss.published(class_dim=1)}, "`cls_loss`.*class_dim=1"),
        ({"cls_loss": torchghm.GHMCLoss.published(ignore_index=255)}, "`cls_loss`.*ignore_index=255"),
        ({"cls_loss": torchghm.GHMCLoss.published(reduction="none")}, "`cls_loss`.*reduction='none'"),
        ({"box_loss": torchghm.GHMRLoss.published(reduction="none")}, "`box_loss`.*reduction='none'"),
    ],
)
def test_refuses_losses_that_would_read_the_logits_otherwise(losses, says):
    model = build_detector(num_classes=2, backbone="resnet18")
    with pytest.raises(ValueError, match=says):
        harmonize(model, **losses)
    assert type(model).__name__ == "RetinaNet"
