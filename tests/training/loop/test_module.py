"""A step computed in parts, in mixed precision, and with a compiled backbone."""

import functools

import torch
from tests.training.tiny import TINY

from torchghm.data import DetectionDataset, collate, load_data, training_transforms
from torchghm.training import train
from torchghm.training.loop.data_order import EpochBatches, SeededSamples
from torchghm.training.loop.datamodule import to_floats
from torchghm.training.recipes.detector import build_from_recipe

PARTS = 2
RECIPE = TINY.with_values(
    {
        "data.batch_size": 4,
        "data.flip": 0.0,
        "optimizer.name": "sgd",
        "optimizer.lr": 1e-3,
        "optimizer.momentum": 0.0,
        "optimizer.weight_decay": 0.0,
        "optimizer.schedule": "constant",
        "optimizer.gradient_clip": None,
        "trainer.accumulate": PARTS,
        "trainer.epochs": 1,
    }
)


def weights(run_path):
    return torch.load(run_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_every_part_is_weighed_by_its_own_density(tiny_data, run_path):
    assert train(tiny_data, recipe=RECIPE, out=run_path, progress=False)["steps"] == 1

    data = load_data(tiny_data)
    detector, losses = build_from_recipe(RECIPE, len(data.classes))
    dataset = DetectionDataset(data.select("train"), data.classes, training_transforms(flip=0.0), training=True)
    parts = EpochBatches(len(dataset), 4, lambda: 0, seed=RECIPE.seed, accumulate=PARTS)
    optimizer = torch.optim.SGD(detector.parameters(), lr=1e-3)
    for keys in parts:
        images, targets = collate([SeededSamples(dataset, RECIPE.seed)[key] for key in keys])
        found = detector.train()(to_floats(images), targets)
        loss = losses.cls_weight * found["classification"] + losses.box_weight * found["bbox_regression"]
        (loss / PARTS).backward()
    optimizer.step()
    after = weights(run_path)
    for name, value in detector.state_dict().items():
        torch.testing.assert_close(after[f"detector.{name}"], value, rtol=1e-4, atol=1e-6, msg=name)


def test_mixed_precision_trains(tiny_data, run_path):
    # Of 64 pixels the last level but one is a single cell, whose convolution torch gives random gradients in bfloat16.
    recipe = RECIPE.with_values({"trainer.precision": "bf16-mixed", "data.image_size": [128, 128]})
    assert train(tiny_data, recipe=recipe, out=run_path, progress=False)["steps"] == 1
    before = build_from_recipe(recipe, 3)[0].state_dict()
    after = weights(run_path)
    assert all(value.isfinite().all() for value in after.values())
    changed = [name for name, value in before.items() if not torch.equal(after[f"detector.{name}"], value)]
    assert "head.classification_head.cls_logits.weight" in changed
    assert after["detector.cls_loss.density_state.fractions"].dtype == torch.float32


def test_a_compiled_backbone_trains_and_leaves_the_names_of_the_weights(monkeypatch, tiny_data, run_path):
    # Traced in earnest; the code itself comes from torch, as not every machine has a C++ compiler.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    recipe = RECIPE.with_values({"trainer.compile": True})
    train(tiny_data, recipe=recipe, out=run_path, progress=False)
    compiled = weights(run_path)
    train(tiny_data, recipe=RECIPE, out=run_path.with_name("plain"), progress=False)
    plain = weights(run_path.with_name("plain"))
    assert list(compiled) == list(plain)
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-6)
