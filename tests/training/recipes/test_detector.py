"""Every key of a recipe's model reaches the detector that is built from it."""

import csv
import json

import numpy as np
import pytest
import torch
from tests.data.layouts import CLASSES
from tests.detection.models import few_proposals, small_batch
from tests.training.tiny import TINY
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from torchghm.detection import DETECTORS, HarmonizedDetector, restore
from torchghm.report import write_report
from torchghm.training import Recipe, evaluate, predict, train
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.recipes.detector import build_from_recipe
from torchghm.training.run_folder import RunFolder


def built(**values):
    detector, _ = build_from_recipe(TINY.with_values({f"model.{key}": value for key, value in values.items()}), 3)
    return detector


def norms_of_the_heads(detector):
    return sum(isinstance(module, nn.GroupNorm) for module in detector.modules())


@pytest.mark.parametrize(("norm", "expected"), [("none", 0), ("group", 8)])
def test_norm_of_the_heads(norm, expected):
    assert norms_of_the_heads(built(head_norm=norm)) == expected


def test_width_of_pyramid_and_heads():
    detector = built(pyramid_channels=64)
    assert detector.backbone.out_channels == 64
    assert detector.head.classification_head.cls_logits.in_channels == 64


def test_anchors_prior_and_trained_layers():
    detector = built(anchor_sizes=[8, 16, 32, 64, 128], prior=0.1, trainable_layers=0)
    assert [sizes[0] for sizes in detector.anchor_generator.sizes] == [8, 16, 32, 64, 128]
    bias = detector.head.classification_head.cls_logits.bias
    torch.testing.assert_close(bias.sigmoid(), torch.full_like(bias, 0.1))
    assert not any(parameter.requires_grad for parameter in detector.backbone.body.parameters())


@pytest.mark.parametrize("name", DETECTORS)
def test_what_null_stands_for(name):
    """Only what a detector has is asked of it."""
    with torch.device("meta"):
        detector, _ = build_from_recipe(Recipe().with_values({"model.detector": name}), 3)
    assert isinstance(detector, HarmonizedDetector)
    assert detector.transform.min_size == ((300,) if name == "ssd300" else (320,) if name == "ssdlite320" else (384,))
    if name in ("retinanet", "fcos", "faster_rcnn"):
        assert sum(parameter.numel() for parameter in detector.backbone.body.parameters()) < 12e6  # a resnet18
    assert norms_of_the_heads(detector) == {"retinanet": 8, "retinanet_v2": 8, "fcos": 8}.get(name, 0)


def test_a_checkpoint_needs_no_weights():
    """The form alone of a detector with pretrained weights: frozen batch norm, and nothing is downloaded."""
    detector, _ = build_from_recipe(TINY.with_values({"model.weights": "torchvision"}), 3, with_weights=False)
    norms = [type(module) for module in detector.backbone.body.modules() if "BatchNorm" in type(module).__name__]
    assert set(norms) == {FrozenBatchNorm2d}
    assert not detector.backbone.body.conv1.weight.requires_grad


@pytest.mark.parametrize(
    ("values", "own_losses"),
    [
        ({"model.detector": "fcos"}, {"bbox_ctrness"}),
        ({"model.detector": "ssdlite320", "loss.cls_options.activation": "softmax"}, set()),
        ({"model.detector": "faster_rcnn_mobilenet", "loss.box_options.mu": "auto"}, {"loss_classifier"}),
    ],
    ids=lambda value: value.get("model.detector") if isinstance(value, dict) else "",
)
def test_trained_evaluated_and_predicted(values, own_losses, tiny_data, run_path):
    recipe = TINY.with_values({**values, "trainer.epochs": 1})
    train(tiny_data, recipe=recipe, out=run_path, progress=False)
    folder = RunFolder(run_path)
    assert evaluate(run_path, tiny_data, "test").classes == CLASSES
    with np.load(folder.gradient_norms) as counts:
        # each image's anchors are counted once: logits of three classes, or anchors for the softmax and the RPN
        assert counts["cls_positive"].sum() > 0
        assert counts["cls_negative"].sum() > counts["cls_positive"].sum()
        assert 1e-3 < counts["mu"] < 10
    images = sorted(tiny_data.rglob("*.png"))[:1]
    predict(run_path, images, run_path / "predicted", threshold=0.0)
    found = json.loads((run_path / "predicted" / "predictions.json").read_text())
    assert {one["category_id"] for one in found} <= {1, 2, 3}
    module = load_checkpoint(folder.checkpoint("last")).module()
    module.train()
    target = {"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([2]), "index": 0}
    loss = module.training_step(([torch.rand(3, 64, 64)] * 2, [target] * 2), 0)
    seen = module.newest
    others = {name.removeprefix("train/") for name in seen} & {"bbox_ctrness", "loss_classifier"}
    assert others == own_losses
    expected = seen["train/classification"] + 4 * seen["train/bbox_regression"]
    expected = expected + sum(seen[f"train/{name}"] for name in others)
    torch.testing.assert_close(loss.detach(), expected)


@pytest.mark.parametrize("stage", [None, "roi"])
def test_a_detector_s_own_losses_and_the_second_stage_alone(stage, tiny_data, run_path):
    detector = "faster_rcnn_mobilenet" if stage else "ssdlite320"
    recipe = TINY.with_values({"model.detector": detector, "loss.cls": "own", "loss.stage": stage,
                               "loss.box": "ghmr" if stage else "own", "trainer.epochs": 1})  # fmt: skip
    results = train(tiny_data, recipe=recipe, out=run_path, progress=False)
    assert results["name"] == ("own + ghmr" if stage else "own + own")
    with np.load(RunFolder(run_path).gradient_norms) as counts:
        assert counts["cls_positive"].sum() > 0
        assert np.isnan(counts["bins_cls"])
        assert np.isfinite(counts["mu"]) == bool(stage)
    with (run_path / "metrics.csv").open() as file:
        [row] = csv.DictReader(file)
    assert bool(row["train/box_plain_loss"]) == bool(stage)
    assert row["train/cls_plain_loss"] == ""
    assert write_report(run_path).is_file()
    module = load_checkpoint(RunFolder(run_path).last).module().train()
    target = {"boxes": torch.tensor([[4.0, 4, 40, 44]]), "labels": torch.tensor([2])}
    images = [torch.rand(3, 64, 64)] * 2
    torch.manual_seed(0)  # of the proposals' draw
    parts = module.detector(images, [target] * 2)
    restore(module.detector)
    torch.manual_seed(0)
    own = module.detector(images, [target] * 2)
    assert {name for name in own if not torch.equal(parts[name], own[name])} == ({"loss_box_reg"} if stage else set())


def test_weights_that_cannot_be_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # no copy of an earlier download
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nobody answers: as without a network
    recipe = Recipe().with_values({"model.weights": "torchvision"})
    with pytest.raises(ConnectionError, match=r"model\.weights: .*could not be downloaded.*name a file"):
        build_from_recipe(recipe, 3)
    assert build_from_recipe(recipe, 3, with_weights=False)  # to be filled from a checkpoint


RIVALS = [
    *((name, "retinanet", {}) for name in ("asymmetric", "poly1_focal", "quality_focal", "eqlv2", "sce", "gce")),
    *((name, "ssdlite320", {"activation": "softmax"}) for name in ("poly1_focal", "sce", "gce")),
    *((name, "ssdlite320", {}) for name in ("logit_adjustment", "dft")),
    *((name, "faster_rcnn", {}) for name in ("logit_adjustment", "dft")),
]


@pytest.mark.parametrize(("name", "detector", "options"), RIVALS)
def test_a_rival_trains_a_step_and_goes_on_from_what_was_saved(name, detector, options):
    values = {"loss.cls": name, "loss.cls_options": options, "loss.box": "smooth_l1", "model.detector": detector}
    if detector == "faster_rcnn":
        values["loss.stage"] = "roi"
    if detector == "ssdlite320":
        values["data.image_size"] = None
    recipe = TINY.with_values(
        {"model.anchor_sizes": None} | ({} if detector == "ssdlite320" else {"model.pyramid_channels": 64}) | values
    )
    models = [few_proposals(build_from_recipe(recipe, 3)[0]) for _ in range(2)]
    images, targets = small_batch(empty=False)
    losses = models[0](images, targets)
    sum(losses.values()).backward()
    (term,) = models[0].cls_terms
    assert losses[term] > 0
    assert all(p.grad.isfinite().all() for p in models[0].parameters() if p.grad is not None)
    models[1].load_state_dict(models[0].state_dict())
    again = []
    for model in models:
        torch.manual_seed(2)  # the RoI heads draw their proposals, and a head drops features
        again.append(model(images, targets)[term])
    torch.testing.assert_close(*again)
