from __future__ import annotations

import sys

import pytest
import torch
from tests.detection.models import TINY_TIMM
from torchvision.models import resnet18
from torchvision.ops import FrozenBatchNorm2d

from torchghm.detection import build_detector


def test_weights_from_a_file(tmp_path):
    torch.manual_seed(0)
    trunk = resnet18(weights=None, num_classes=7)
    torch.save(trunk.state_dict(), tmp_path / "trunk.pt")
    model = build_detector(num_classes=2, backbone="resnet18", weights=tmp_path / "trunk.pt", image_size=(64, 64))
    assert torch.equal(model.backbone.body.conv1.weight, trunk.conv1.weight)
    assert isinstance(model.backbone.body.bn1, FrozenBatchNorm2d)
    assert not model.backbone.body.conv1.weight.requires_grad
    assert model.backbone.body.layer4[0].conv1.weight.requires_grad
    scratch = build_detector(num_classes=2, backbone="resnet18")
    assert isinstance(scratch.backbone.body.bn1, torch.nn.BatchNorm2d)
    assert scratch.backbone.body.conv1.weight.requires_grad


def test_bad_weights_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="`weights`.*missing.pt"):
        build_detector(num_classes=2, backbone="resnet18", weights=tmp_path / "missing.pt")
    (tmp_path / "noise.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"noise\.pt to hold a state dict"):
        build_detector(num_classes=2, backbone="resnet18", weights=tmp_path / "noise.pt")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt to hold a state dict, but it holds Python objects") as error:
        build_detector(num_classes=2, backbone="resnet18", weights=tmp_path / "model.pt")
    assert "weights_only" not in str(error.value)
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(ValueError, match=r"tensor\.pt to hold a state dict, but got Tensor"):
        build_detector(num_classes=2, backbone="resnet18", weights=tmp_path / "tensor.pt")
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt to fit a resnet34"):
        build_detector(num_classes=2, backbone="resnet34", weights=tmp_path / "other.pt")


def test_a_file_of_safetensors(weights):
    from safetensors.torch import save_file

    state = torch.load(weights, weights_only=True)
    save_file(state, weights.with_suffix(".safetensors"))
    model = build_detector(num_classes=2, backbone=TINY_TIMM, weights=weights.with_suffix(".safetensors"))
    assert torch.equal(model.backbone.body.conv_stem.weight, state["conv_stem.weight"])


def test_weights_that_do_not_fit_are_named_by_their_first_tensor(weights):
    state = torch.load(weights, weights_only=True)

    def message(changed: dict[str, object]) -> str:
        torch.save(changed, weights)
        with pytest.raises(ValueError, match=r"classifier\.pt to fit a test_efficientnet, but ") as error:
            build_detector(num_classes=2, backbone=TINY_TIMM, weights=weights)
        return str(error.value)

    missing = {key: value for key, value in state.items() if key not in ("bn1.bias", "bn2.bias")}
    assert "but it has no tensor 'bn1.bias', the first of 2 that differ." in message(missing)
    wide = state | {"conv_stem.weight": torch.zeros(8, 3, 3, 3)}
    assert "its tensor 'conv_stem.weight' is of the shape [8, 3, 3, 3] and not of the shape [" in message(wide)
    assert "but its tensor 'neck' has no place there." in message(state | {"neck": torch.zeros(1)})
    assert "'conv_stem.weight' is int and not of the shape" in message(state | {"conv_stem.weight": 3})
    assert "training's checkpoint" in message({"state_dict": state})


def test_safetensors_that_is_not_installed_is_named(monkeypatch, tmp_path):
    (tmp_path / "classifier.safetensors").touch()
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"classifier\.safetensors needs the package safetensors, .*pip install"
    ):
        build_detector(num_classes=2, backbone="resnet18", weights=tmp_path / "classifier.safetensors")
