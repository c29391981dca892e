"""What holds for every detector: it is built, harmonized, trained, copied, saved, run in mixed precision, restored."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from tests.detection.models import few_proposals, frozen, small_batch, small_detector
from torch import nn
from torchvision.models import detection, mobilenet_v3_large
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone
from torchvision.models.detection.ssd import SSD
from torchvision.ops import FrozenBatchNorm2d

import torchghm
from torchghm.detection import DETECTORS, build_detector, detection_examples, harmonize, restore, set_prior
from torchghm.detection.build import has_option

LIGHT = ("fcos", "ssdlite320", "faster_rcnn")
"""One of each head."""
CONSTRUCTORS = {
    "retinanet": detection.retinanet_resnet50_fpn,
    "retinanet_v2": detection.retinanet_resnet50_fpn_v2,
    "fcos": detection.fcos_resnet50_fpn,
    "ssd300": detection.ssd300_vgg16,
    "ssdlite320": detection.ssdlite320_mobilenet_v3_large,
    "faster_rcnn": detection.fasterrcnn_resnet50_fpn,
    "faster_rcnn_v2": detection.fasterrcnn_resnet50_fpn_v2,
    "faster_rcnn_mobilenet": detection.fasterrcnn_mobilenet_v3_large_fpn,
    "mask_rcnn": detection.maskrcnn_resnet50_fpn,
}


def harmonized(model: nn.Module, **options) -> nn.Module:
    return harmonize(model, torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published(mu="auto"), **options)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_built_as_torchvision_builds_it(name):
    """The same parameters, in the same order, trained alike, and the same anchors."""
    background = 1 if name.startswith(("ssd", "faster", "mask")) else 0
    with torch.device("meta"):
        theirs = CONSTRUCTORS[name](weights=None, weights_backbone=None, num_classes=2 + background)
        ours = build_detector(name, num_classes=2)
    shapes = [
        {key: (parameter.shape, parameter.requires_grad) for key, parameter in model.named_parameters()}
        for model in (ours, theirs)
    ]
    assert list(shapes[0]) == list(shapes[1])
    assert shapes[0] == shapes[1]
    generators = [
        vars(model.rpn.anchor_generator if hasattr(model, "rpn") else model.anchor_generator)
        for model in (ours, theirs)
    ]
    for key in ("sizes", "aspect_ratios", "scales", "steps"):
        if key in generators[1] and not name.startswith("retinanet"):  # whose sizes torchvision rounds down
            assert generators[0][key] == generators[1][key]


@pytest.mark.parametrize("name", DETECTORS)
def test_trained_copied_saved_and_restored(name):
    images, targets = (part[:1] if name == "ssd300" else part for part in small_batch())
    model = harmonized(frozen(small_detector(name)))
    losses = model(images, targets)
    assert {*model.cls_terms, *model.box_terms} <= set(losses)
    sum(losses.values()).backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0].abs().sum() > 0  # of the first layer
    model.zero_grad(set_to_none=True)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    if name != "ssd300":  # the same class as ssdlite320, and large
        results = []
        for one in (model, twin):
            torch.manual_seed(2)  # the RoI heads draw their proposals
            results.append(one(images, targets))
        for key, value in results[0].items():
            torch.testing.assert_close(results[1][key], value)
    state = model.state_dict()
    assert any("density_state" in key for key in state)
    assert any("residual_scale" in key for key in state)
    twin.load_state_dict(state)
    with torch.no_grad():
        (found,) = twin.eval()(images[:1])
    assert set(found["labels"].tolist()) <= {0, 1, 2}
    host = type(restore(model))
    assert host.__module__.startswith("torchvision.")
    assert not any("loss" in key or "residual" in key for key in model.state_dict())
    assert not any(module._forward_hooks for module in model.modules())
    assert not [module for module in model.modules() if type(module).__name__.startswith(("Harmonized", "Matching"))]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["retinanet", *LIGHT])
def test_mixed_precision(name, dtype):
    images, targets = small_batch(empty=False)
    model = harmonize(
        frozen(small_detector(name)),
        torchghm.GHMCLoss.published(momentum=0),
        torchghm.GHMRLoss.published(mu="auto", momentum=0),
    )
    torch.manual_seed(2)
    expected = model(images, targets)
    torch.manual_seed(2)
    with torch.autocast("cpu", dtype=dtype):
        losses = model(images, targets)
    for key in (*model.cls_terms, *model.box_terms):
        assert losses[key].dtype == torch.float32
        if key != "loss_box_reg":  # whose proposals are other ones in half precision
            torch.testing.assert_close(losses[key], expected[key], rtol=0.15, atol=0)
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", LIGHT)
def test_a_batch_without_any_object_trains(name):
    images, targets = small_batch()
    targets = [targets[1], targets[1]]
    model = harmonized(small_detector(name))
    losses = model(images, targets)
    assert all(losses[term] == 0 for term in model.box_terms)
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", DETECTORS)
def test_density_is_that_of_the_batch(name):
    """The loss is that of all examples at once; each image alone has other weights, as predicted."""
    images, targets = small_batch(empty=False)
    model = small_detector(name)
    if name == "faster_rcnn_mobilenet":  # with unit statistics nothing of the image reaches its last layer
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1
        model(images, targets)
    harmonize(frozen(model), torchghm.GHMCLoss.published(momentum=0), torchghm.GHMRLoss.published(momentum=0))
    spread_logits(model, detection_examples(model, images, targets).logits)
    cls_term, box_term = model.cls_terms[0], model.box_terms[0]
    examples = detection_examples(model, images, targets)
    whole = model(images, targets)
    beta = model.cls_loss.diagnostics.beta
    expected = torchghm.functional.ghmc_loss(examples.logits, examples.targets)
    torch.testing.assert_close(whole[cls_term], expected, rtol=1e-4, atol=0)
    expected = torchghm.functional.ghmr_loss(examples.predicted, examples.encoded)
    torch.testing.assert_close(whole[box_term], expected, rtol=1e-3, atol=0)
    for index in range(2):
        one = slice(index, index + 1)
        alone = detection_examples(model, images[one], targets[one])
        torch.testing.assert_close(alone.logits, examples.logits[one], rtol=1e-3, atol=1e-4)
        part = model(images[one], targets[one])[cls_term]
        expected = torchghm.functional.ghmc_loss(alone.logits, alone.targets)
        torch.testing.assert_close(part, expected, rtol=1e-3, atol=0)
        assert ((model.cls_loss.diagnostics.beta / beta)[beta > 0] - 1).abs().max() > 0.05


@torch.no_grad()
def spread_logits(model: nn.Module, logits: torch.Tensor) -> None:
    """At the start every image has the same two occupied regions, whatever it shows."""
    if hasattr(model, "rpn"):
        last = [model.rpn.head.cls_logits]
    elif hasattr(model.head.classification_head, "module_list"):
        levels = model.head.classification_head.module_list
        last = [level[-1] if isinstance(level, nn.Sequential) else level for level in levels]
    else:
        last = [model.head.classification_head.cls_logits]
    for layer in last:
        layer.weight *= 3 / logits.std()


@pytest.mark.parametrize("name", LIGHT)
def test_each_level_has_a_density_of_its_own(name):
    images, targets = small_batch(empty=False)
    model = harmonized(frozen(small_detector(name)), scope="level")
    losses = model(images, targets)
    levels = detection_examples(model, images, targets).levels()
    assert len(model.cls_loss.levels) == len(model.box_loss.levels) == len(levels) > 2
    counts = torch.tensor([(level.targets != -100).sum() for level in levels]).float()
    parts = torch.stack([torchghm.functional.ghmc_loss(level.logits, level.targets) for level in levels])
    expected = (parts * counts / counts.sum()).sum()
    torch.testing.assert_close(losses[model.cls_terms[0]], expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", LIGHT)
def test_reference_mode_calls_one_loss_a_level(name):
    images, targets = small_batch(empty=False)
    cls_loss, box_loss = torchghm.ReferenceGHMC(30, 0.75), torchghm.ReferenceGHMR(momentum=0.7)
    again_cls, again_box = copy.deepcopy(cls_loss), copy.deepcopy(box_loss)
    model = harmonize(frozen(small_detector(name)), cls_loss, box_loss, scope="reference")
    losses = model(images, targets)
    expected_cls, expected_box = 0, 0
    for level in detection_examples(model, images, targets).levels():
        label = level.targets.flatten()
        expected_cls += again_cls(level.logits.flatten(0, 1), label, (label != -100).float())
        expected_box += again_box(level.predicted, level.encoded, torch.ones_like(level.encoded))
    torch.testing.assert_close(losses[model.cls_terms[0]], expected_cls, rtol=1e-4, atol=0)
    torch.testing.assert_close(losses[model.box_terms[0]], expected_box, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", DETECTORS)
def test_options_that_a_detector_does_not_have_are_refused(name):
    given = {
        "backbone": "resnet18",
        "image_size": (64, 64),
        "anchor_sizes": (8, 16, 32, 64, 128),
        "aspect_ratios": (1.0,),
        "pyramid_channels": 64,
        "head_norm": "group",
    }
    refused = [option for option in given if not has_option(name, option)]
    assert refused or name == "retinanet"
    for option in refused:
        with pytest.raises(ValueError, match=f"no argument `{option}` for {name}, which has none, but got"):
            build_detector(name, num_classes=2, **{option: given[option]})


@pytest.mark.parametrize("name", ["ssdlite320", "faster_rcnn_mobilenet"])
def test_weights_from_a_file_and_their_form_alone(name, tmp_path):
    torch.manual_seed(5)
    trunk = mobilenet_v3_large(weights=None, num_classes=2)
    torch.save(trunk.state_dict(), tmp_path / "trunk.pt")
    model = small_detector(name, weights=tmp_path / "trunk.pt")
    first = (model.backbone.features[0][0] if name == "ssdlite320" else model.backbone.body["0"])[0]
    assert torch.equal(first.weight, trunk.features[0][0].weight)
    assert first.weight.requires_grad == (name == "ssdlite320")  # three of six stages are trained in the other
    assert isinstance((model.backbone.features[0][0] if name == "ssdlite320" else model.backbone.body["0"])[1],
                      nn.BatchNorm2d if name == "ssdlite320" else FrozenBatchNorm2d)  # fmt: skip
    if name == "ssdlite320":  # what comes from nowhere changes faster than the published average follows
        assert model.backbone.features[0][0][1].momentum == 0.03
        assert small_detector(name).backbone.features[0][0][1].momentum == 0.1
    form = small_detector(name, weights="torchvision", load_weights=False)  # which would be downloaded
    form.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match="`trainable_layers`.*from 0 to 6, but got 7"):
        small_detector(name, trainable_layers=7)


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


def test_mask_rcnn_is_built_and_numbers_classes_from_zero():
    model = frozen(harmonize(small_detector("mask_rcnn"), torchghm.GHMCLoss(), torchghm.GHMRLoss()))
    assert type(restore(model)) is MaskRCNN
    harmonized(model)
    images, targets = small_batch(empty=False)
    for target in targets:
        target["masks"] = torch.ones(len(target["labels"]), 64, 96, dtype=torch.uint8)
    losses = model(images, targets)
    assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask"}
    assert all(torch.isfinite(loss) for loss in losses.values())
    model.eval()
    model.roi_heads.score_thresh = 0.0
    [found] = model(images[:1])
    assert found["masks"].shape[1:] == (1, 64, 96)
    assert 0 <= found["labels"].min() <= found["labels"].max() <= 2


@pytest.mark.parametrize("name", ["fcos", "ssdlite320", "faster_rcnn_mobilenet"])
def test_prior(name):
    model = set_prior(small_detector(name), 0.2)
    if name == "fcos":
        probability = model.head.classification_head.cls_logits.bias.sigmoid()
    elif name == "ssdlite320":
        assert type(model) is SSD
        bias = model.head.classification_head.module_list[3][1].bias.view(-1, 4)
        probability = bias.softmax(1)[:, 1:]
        torch.testing.assert_close(bias.sigmoid()[:, 1:], torch.full((6, 3), 0.2))
    else:
        probability = model.rpn.head.cls_logits.bias.sigmoid()
    torch.testing.assert_close(probability, torch.full_like(probability, 0.2))
    with pytest.raises(ValueError, match="`prior`.*1.0"):
        set_prior(model, 1.0)


def test_prior_of_a_model_that_is_not_known():
    with pytest.raises(ValueError, match="below 1 / 3, the share of each of 3 classes, but got 0.4"):
        small_detector("ssdlite320", prior=0.4)
    with pytest.raises(TypeError, match="FasterRCNN or MaskRCNN.*but got torch.nn.modules.linear.Linear"):
        set_prior(nn.Linear(1, 1), 0.1)


def test_a_label_of_background_is_refused_where_torchvision_counts_from_1():
    model = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=4)
    harmonize(few_proposals(model).train(), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    with pytest.raises(ValueError, match=r"labels from 1, but got 0 in targets\[0\]"):
        model([torch.rand(3, 64, 96)], [{"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([0])}])


def test_a_level_of_one_cell_has_group_norm_of_a_channel_a_group():
    """A single image, whose coarsest level is one cell: torch's own group norm refuses it in evaluation."""
    model = build_detector("fcos", num_classes=2, backbone="resnet18", pyramid_channels=32, image_size=(64, 96)).eval()
    [found] = model([torch.rand(3, 64, 96)])
    assert found["boxes"].isfinite().all()
    kind = type(next(module for module in model.modules() if isinstance(module, nn.GroupNorm)))
    norm, own = kind(32, 32), nn.GroupNorm(32, 32)
    several, one = torch.randn(2, 32, 3, 3), torch.randn(1, 32, 1, 1)
    torch.testing.assert_close(norm(several), own(several))
    assert norm(one).abs().max() < 1e-4  # the bias, within rounding over the root of eps


@pytest.mark.parametrize("name", ["retinanet", "fcos", "ssdlite320", "faster_rcnn_mobilenet"])
def test_a_label_below_the_first_class_is_refused(name):
    model = harmonize(small_detector(name), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    targets = [{"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([label])} for label in (1, -1)]
    with pytest.raises(ValueError, match=r"labels from \d, but got -?\d in targets\[1\]"):
        model([torch.rand(3, 64, 96)] * 2, targets)
