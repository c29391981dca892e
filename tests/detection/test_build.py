"""Detectors as they are built: classes, anchors, prior, weights from a file."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision.models.detection import retinanet_resnet50_fpn

from torchghm.detection import BACKBONES, build_detector


def test_retinanet():
    model = build_detector(num_classes=3, backbone="resnet18", image_size=(96, 128), prior=0.02)
    head = model.head.classification_head
    assert head.num_classes == 3
    torch.testing.assert_close(head.cls_logits.bias.sigmoid(), torch.full((27,), 0.02))
    assert model.transform.min_size == (96,)
    assert model.transform.max_size == 128
    model.eval()
    detections = model([torch.rand(3, 48, 64)])
    assert (detections[0]["labels"] < 3).all()
    assert set(detections[0]) == {"boxes", "scores", "labels"}


def test_narrow_pyramid_with_group_norm():
    model = build_detector(num_classes=2, backbone="resnet18", pyramid_channels=64, head_norm="group")
    assert model.backbone.out_channels == 64
    norms = [module for module in model.head.modules() if isinstance(module, torch.nn.GroupNorm)]
    assert len(norms) == 8
    model.train()
    target = {"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([1])}
    assert model([torch.rand(3, 64, 64)], [target])["classification"].isfinite()


def test_the_pyramid_is_torchvisions():
    """Expect equal parameters, in the same order, trained and frozen alike."""
    with torch.device("meta"):
        theirs = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2)
        ours = build_detector(num_classes=2, backbone="resnet50")
    shapes = [
        {name: (parameter.shape, parameter.requires_grad) for name, parameter in model.named_parameters()}
        for model in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]


def test_anchors():
    model = build_detector(num_classes=1, backbone="resnet18", anchor_sizes=(16, 32, 64, 128, 256))
    assert model.anchor_generator.sizes[0] == (16, round(16 * 2 ** (1 / 3)), round(16 * 2 ** (2 / 3)))
    assert model.anchor_generator.num_anchors_per_location() == [9] * 5
    wide = build_detector(num_classes=2, backbone="resnet18", anchor_scales=(1, 1.5, 2, 3))
    assert wide.anchor_generator.sizes[0] == (32, 48, 64, 96)
    assert wide.head.classification_head.cls_logits.out_channels == 3 * 4 * 2


@pytest.mark.parametrize("name", ["retinanet", "retinanet_v2"])
@pytest.mark.parametrize(("finest_level", "sides"), [(3, [32, 16, 8, 4, 2]), (2, [64, 32, 16, 8, 4])])
def test_finest_level(name, finest_level, sides):
    model = build_detector(
        name, num_classes=2, backbone="resnet18", finest_level=finest_level, pyramid_channels=64, image_size=(256, 256)
    ).eval()
    levels = list(model.backbone(torch.zeros(1, 3, 256, 256)).values())
    assert [level.shape for level in levels] == [(1, 64, side, side) for side in sides]
    assert model.head(levels)["cls_logits"].shape == (1, 9 * sum(side**2 for side in sides), 2)


@pytest.mark.parametrize("name", ["faster_rcnn", "faster_rcnn_v2", "faster_rcnn_mobilenet"])
def test_proposals_per_image(name):
    images = [torch.rand(3, 64, 96)] * 2
    targets = [{"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([1])}] * 2
    for given, trained_on in ((None, 512), (16, 16)):
        model = build_detector(name, num_classes=2, image_size=(64, 96), proposals_per_image=given).train()
        assert model.roi_heads.fg_bg_sampler.batch_size_per_image == trained_on
    seen = []
    model.roi_heads.box_head.register_forward_hook(lambda module, arguments, output: seen.append(len(output)))
    model(images, targets)
    assert seen == [32]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone(backbone):
    with torch.device("meta"):
        model = build_detector(num_classes=2, backbone=backbone)
    assert model.head.classification_head.cls_logits.out_channels == 18


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "yolo"}, "`name`.*'yolo'"),
        ({"backbone": "vgg16"}, "`backbone`.*'vgg16'"),
        ({"num_classes": 0}, "`num_classes`"),
        ({"prior": 1.0}, "`prior`"),
        ({"pyramid_channels": 0}, "`pyramid_channels`"),
        ({"pyramid_channels": 48, "head_norm": "group"}, "multiple of 32 with head_norm='group', but got 48"),
        ({"pyramid_channels": 64.0}, "`pyramid_channels` to be an integer"),
        ({"num_classes": 2.5}, "`num_classes` to be an integer"),
        ({"trainable_layers": 2.5}, "`trainable_layers` to be an integer"),
        ({"detections_per_image": -1}, "`detections_per_image` to be an integer of at least 1, but got -1"),
        ({"score_threshold": 1}, "`score_threshold`"),
        ({"image_size": (64.5, 96)}, "`image_size` to be a height and a width in whole pixels"),
        ({"head_norm": "batch"}, "`head_norm`.*'batch'"),
        ({"anchor_sizes": (32, 64)}, "`anchor_sizes`.*5 levels"),
        ({"anchor_scales": ()}, "`anchor_scales`"),
        ({"anchor_scales": (1, 0)}, "`anchor_scales`"),
        ({"name": "faster_rcnn", "anchor_scales": (1, 2)}, "no argument `anchor_scales` for faster_rcnn"),
        ({"finest_level": 4}, "`finest_level`.*2, 3, but got 4"),
        ({"name": "fcos", "finest_level": 2}, "no argument `finest_level` for fcos"),
        ({"name": "faster_rcnn", "proposals_per_image": 0}, "`proposals_per_image`.*at least 1, but got 0"),
        ({"proposals_per_image": 128}, "no argument `proposals_per_image` for retinanet"),
        ({"trainable_layers": 6}, "`trainable_layers`"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build_detector(**{"num_classes": 2, "backbone": "resnet18", **options})


def test_prior_bias_default():
    bias = build_detector(num_classes=1, backbone="resnet18").head.classification_head.cls_logits.bias
    assert bias[0].item() == pytest.approx(-math.log(99), rel=1e-6)
