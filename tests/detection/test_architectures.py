from __future__ import annotations

import pytest
import torch
from tests.detection.models import frozen, harmonized, small_batch, small_detector
from torch import nn
from torchvision.models import detection, mobilenet_v3_large
from torchvision.models.detection import MaskRCNN
from torchvision.ops import FrozenBatchNorm2d

import torchghm
from torchghm.detection import DETECTORS, build_detector, harmonize, restore
from torchghm.detector_names import has_option

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


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_built_as_torchvision_builds_it(name):
    """Expect equal parameters, in the same order, trained alike, and equal anchors."""
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
