"""The published configurations: their numbers, and a step of each on two COCO images."""

import pytest
import torch
from tests.data.layouts import write_coco
from tests.training.tiny import samples

from torchghm.data import DetectionDataset, collate, load_data, training_transforms
from torchghm.detection.scope import LevelLosses
from torchghm.losses import FocalLoss, GHMCLoss, GHMRLoss, ReferenceGHMC, ReferenceGHMR, SmoothL1Loss
from torchghm.training import load_recipe, recipe_names
from torchghm.training.loop.datamodule import to_floats
from torchghm.training.recipes.detector import build_from_recipe
from torchghm.training.recipes.optimizer import build_optimizer, build_schedule, clip_grad_norm_

BACKBONES = ("r50", "r101", "x101_32x8d", "x101_64x4d")
LOSSES = {
    "retinanet_r50_coco_focal": (FocalLoss, SmoothL1Loss),
    "retinanet_r50_coco_ghm_reference": (ReferenceGHMC, ReferenceGHMR),
    **{f"retinanet_{name}_coco_ghm": (GHMCLoss, GHMRLoss) for name in BACKBONES},
}


def test_every_published_recipe_is_tested():
    assert set(LOSSES) == {name for name in recipe_names() if "coco" in name}


@pytest.mark.parametrize("name", LOSSES)
def test_published_settings(name):
    recipe = load_recipe(name)
    assert recipe.data.image_size == (800, 1333)
    assert recipe.data.batch_size == 16
    assert recipe.model.weights == "torchvision"
    optimizer = recipe.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.01, 0.9, 1e-4)
    assert (optimizer.schedule, optimizer.milestones, optimizer.warmup_steps) == ("steps", (8, 11), 500)
    assert (recipe.trainer.epochs, optimizer.gradient_clip) == (12, 35)
    detector, losses = build_from_recipe(recipe.with_values({"model.backbone": "resnet18"}), 80, with_weights=False)
    body = detector.backbone.body
    assert (body.layer1[0].conv1.weight.requires_grad, body.layer2[0].conv1.weight.requires_grad) == (False, True)
    assert not [module for module in body.modules() if isinstance(module, torch.nn.BatchNorm2d)]  # frozen
    assert (type(detector.cls_loss), type(detector.box_loss)) == LOSSES[name]
    if "ghm" in name:
        assert (losses.cls_loss.bins, losses.cls_loss.momentum, losses.cls_weight) == (30, 0.75, 1)
        assert (losses.box_loss.bins, losses.box_loss.momentum, losses.box_loss.mu, losses.box_weight) == (
            10,
            0.7,
            0.02,
            10,
        )
    assert not isinstance(detector.cls_loss, LevelLosses)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_on_two_coco_images(name, tmp_path):
    data = load_data(write_coco(tmp_path / "coco", samples()[:2] + samples()[5:6]))
    size = [64, 64] if "x101" in name else [96, 128]
    recipe = load_recipe(name, {"model.weights": "none", "data.image_size": size, "optimizer.warmup_steps": 0})
    detector, losses = build_from_recipe(recipe, len(data.classes))
    dataset = DetectionDataset(data.select("train"), data.classes, training_transforms(), training=True)
    images, targets = collate([dataset[0], dataset[1]])
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    optimizer = build_optimizer(recipe.optimizer, parameters, fused=True)
    schedule = build_schedule(recipe.optimizer, optimizer, total_steps=12, steps_per_epoch=1)
    before = [parameter.detach().clone() for parameter in parameters[-4:]]

    parts = detector(to_floats(images), targets)
    loss = losses.cls_weight * parts["classification"] + losses.box_weight * parts["bbox_regression"]
    loss.backward()
    assert clip_grad_norm_(parameters, recipe.optimizer.gradient_clip).isfinite()
    assert torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]) <= 35 * 1.001
    optimizer.step()
    schedule.step()
    assert loss > 0
    assert all(not torch.equal(old, new) for old, new in zip(before, parameters[-4:], strict=True))
