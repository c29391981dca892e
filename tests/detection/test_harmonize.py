"""harmonize(): the hook fires, the density is that of the whole batch, and the traps of the host are avoided."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from torchvision.models.detection import RetinaNet, retinanet_resnet50_fpn_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_iou

import torchghm
from torchghm.detection import build_detector, detection_examples, harmonize, restore


def make_model(**options) -> RetinaNet:
    torch.manual_seed(0)
    return build_detector(num_classes=3, backbone="resnet18", image_size=(64, 96), **options).train()


@pytest.fixture
def batch():
    torch.manual_seed(1)
    images = [torch.rand(3, 64, 96), torch.rand(3, 64, 64)]
    targets = [
        {"boxes": torch.tensor([[4.0, 4, 40, 44], [30, 20, 90, 60]]), "labels": torch.tensor([0, 2])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)},
    ]
    return images, targets


def frozen(model: torch.nn.Module) -> torch.nn.Module:
    """Batch norm that does not depend on which images share a batch."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    return model


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
    model = harmonize(make_model(), torchghm.GHMCLoss.published(momentum=0), torchghm.GHMRLoss.published(momentum=0))
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
        harmonize(make_model(), torchghm.GHMCLoss.published(momentum=0), torchghm.GHMRLoss.published(momentum=0))
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


def test_torchvision_numbers_are_reproduced_by_the_baselines(batch):
    """Focal loss and L1 behind the same hook equal torchvision's own, for one image without padding."""
    images, targets = batch[0][:1], batch[1][:1]
    model = frozen(make_model())
    expected = model(images, targets)
    harmonize(model, torchghm.FocalLoss(), torchghm.SmoothL1Loss(delta=0, average="boxes"))
    losses = model(images, targets)
    torch.testing.assert_close(losses["classification"], expected["classification"], rtol=1e-4, atol=0)
    torch.testing.assert_close(losses["bbox_regression"], expected["bbox_regression"], rtol=1e-4, atol=0)


def test_targets_of_anchors(batch):
    model = harmonize(make_model(), torchghm.GHMCLoss.published())
    examples = detection_examples(model, *batch)
    images, targets = model.transform(*batch)
    features = list(model.backbone(images.tensors).values())
    anchors = model.anchor_generator(images, features)
    matched = [model.proposal_matcher(box_iou(targets[0]["boxes"], anchors[0]))]
    for anchor in range(examples.targets.shape[1]):
        match = matched[0][anchor].item()
        label = examples.targets[0, anchor].item()
        if match >= 0:
            assert label == targets[0]["labels"][match]
        elif match == -2:
            assert label == -100
        else:
            assert label == -1
    assert set(examples.targets[1].unique().tolist()) <= {-1, -100}
    assert sum(examples.level_sizes) == examples.targets.shape[1]


def test_padding_is_background(batch):
    """Its anchors predict when the detector is used: never taught, they fill the image's edge with false detections."""
    images, targets = batch
    model = harmonize(make_model(), torchghm.GHMCLoss.published())
    targets = detection_examples(model, images, targets).targets
    padded, _ = model.transform(images)
    anchors = model.anchor_generator(padded, list(model.backbone(padded.tensors).values()))[1]
    # the second image is 64 of 96 pixels wide, without an object
    assert padded.image_sizes[1] == (64, 64)
    padding = (anchors[:, 0] + anchors[:, 2]) / 2 > 64
    assert 0.2 < padding.float().mean() < 0.45
    assert (targets[1, padding] == -1).all()


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
    model = frozen(harmonize(make_model(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published()))
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


def test_each_level_has_a_density_of_its_own(batch):
    model = frozen(harmonize(make_model(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(), scope="level"))
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
    model = frozen(harmonize(make_model(), cls_loss, box_loss, scope="reference"))
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
    model = harmonize(make_model(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(), scope=scope)
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
    fresh = harmonize(make_model(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(), scope=scope)
    fresh.load_state_dict(thawed.state_dict())
    plain = restore(model)
    assert type(plain) is RetinaNet
    assert not any("loss" in name for name in plain.state_dict())
    assert not plain.anchor_generator._forward_hooks
    assert plain(*batch)["classification"] > 0


def test_one_loss_alone(batch):
    model = frozen(make_model())
    expected = model(*batch)
    harmonize(model, cls_loss=torchghm.GHMCLoss.published())
    torch.testing.assert_close(model(*batch)["bbox_regression"], expected["bbox_regression"])
    harmonize(model, box_loss=torchghm.GHMRLoss.published())
    torch.testing.assert_close(model(*batch)["classification"], expected["classification"])


def test_a_batch_without_any_object_trains(batch):
    images, targets = batch
    targets = [targets[1], targets[1]]
    model = harmonize(make_model(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published())
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
        harmonize(make_model(), torchghm.GHMCLoss.published(), scope="image")
    with pytest.raises(ValueError, match="a density for scope='level', but got FocalLoss and NoneType"):
        harmonize(make_model(), torchghm.FocalLoss(), scope="level")
    with pytest.raises(ValueError, match="`cls_loss` to be a ReferenceGHMC"):
        harmonize(make_model(), torchghm.GHMCLoss.published(), scope="reference")
    with pytest.raises(ValueError, match="scope='reference' for ReferenceGHMC"):
        harmonize(make_model(), torchghm.ReferenceGHMC())
    with pytest.raises(TypeError, match="made by `harmonize`"):
        detection_examples(make_model(), [], [])


def test_focal_loss_of_torchvision_is_not_called(batch, monkeypatch):
    """The hook fired: torchvision's own loss would fail here."""
    monkeypatch.setattr("torchvision.models.detection.retinanet.sigmoid_focal_loss", None)
    monkeypatch.setattr(F, "l1_loss", None)
    harmonize(make_model(), torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published())(*batch)


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
