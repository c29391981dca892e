"""mmdetection's registry (mmengine's, which is all that installs) builds our losses, called as its heads do."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import torchghm

pytest.importorskip("mmengine", reason="mmengine is not installed: pip install '.[hosts]'")

from mmengine.model import BaseModel
from mmengine.registry import MODELS, Registry
from mmengine.runner import Runner

import torchghm.integrations.mmdetection


def test_found_from_the_registry_of_another_package():
    """mmdetection's own is such a child of mmengine's."""
    detection = Registry("model", parent=MODELS, scope="anotherdet")
    loss = detection.build({"type": "torchghm.GHMC", "bins": 10, "momentum": 0.5, "loss_weight": 2.0})
    assert (loss.loss.bins, loss.loss.momentum, loss.loss_weight, loss.use_sigmoid) == (10, 0.5, 2.0, True)
    assert isinstance(detection.build({"type": "torchghm.ReferenceGHMC"}), torchghm.ReferenceGHMC)
    assert isinstance(detection.build({"type": "torchghm.GHMR", "mu": 0.02}).loss, torchghm.GHMRLoss)
    assert isinstance(detection.build({"type": "torchghm.ReferenceGHMR"}), torchghm.ReferenceGHMR)


def test_found_from_mmdetections_own_registry():
    """Its file alone: the package needs mmcv, whose compiled part has no build for this torch."""
    found = importlib.util.find_spec("mmdet")
    if found is None:
        pytest.skip("mmdet is not installed: pip install --no-deps mmdet")
    (folder,) = found.submodule_search_locations
    spec = importlib.util.spec_from_file_location("registry_of_mmdet", Path(folder) / "registry.py")
    registry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(registry)
    registry.MODELS._imported = True  # its own models are not looked for: they need mmcv
    try:
        assert registry.MODELS.parent is MODELS
        loss = registry.MODELS.build({"type": "torchghm.GHMC", "bins": 7})
        assert loss.loss.bins == 7
        assert isinstance(registry.MODELS.build({"type": "torchghm.ReferenceGHMR"}), torchghm.ReferenceGHMR)
    finally:
        for name in vars(registry).values():  # so that mmengine's registries are as they were
            if isinstance(name, Registry) and name.parent is not None and name.scope == registry.MODELS.scope:
                name.parent._children.pop(name.scope, None)


def test_one_region_is_binary_cross_entropy_by_positives():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 3, 3, 2, 3, 3])
    loss = MODELS.build({"type": "torchghm.GHMC", "bins": 1, "normalize": "regions", "max_weight": None})
    entropy = F.binary_cross_entropy_with_logits(logits, F.one_hot(labels, 4)[:, :3].float(), reduction="sum")
    torch.testing.assert_close(loss(logits, labels, avg_factor=2.0), entropy / 2)


def test_called_as_heads_do():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 3, 3, 2, 3, 3])  # 3 is the background
    weight = torch.tensor([1.0, 1, 0, 1, 1, 1])

    def loss():
        return MODELS.build({"type": "torchghm.GHMC", "loss_weight": 2.0})

    expected = 2 * torchghm.GHMCLoss()(logits, labels.where(labels != 3, -1), weight)
    calls = {
        "anchor head": loss()(logits, labels, weight, avg_factor=2.0),
        "YOLOv3": loss()(logits, labels, weight=weight),
    }
    for name, value in calls.items():
        torch.testing.assert_close(value, expected, msg=name)
    unweighted = loss()(logits, labels, avg_factor=2.0)  # FCOS
    torch.testing.assert_close(unweighted, loss()(logits, labels))  # YOLOX
    assert unweighted != expected
    boxes = MODELS.build({"type": "torchghm.GHMR"})(torch.rand(6, 4), torch.rand(6, 4), weight[:, None].expand(6, 4))
    assert boxes.isfinite()


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="`use_sigmoid` to be True, but got False"):
        MODELS.build({"type": "torchghm.GHMC", "use_sigmoid": False})
    with pytest.raises(ValueError, match="`reduction_override` to be None or 'mean', but got 'none'"):
        MODELS.build({"type": "torchghm.GHMC"})(torch.zeros(1, 1), torch.tensor([0]), reduction_override="none")
    with pytest.raises(ValueError, match="class indices from 0 to 1"):
        MODELS.build({"type": "torchghm.GHMC"})(torch.zeros(1, 2), torch.tensor([3]))


class Model(BaseModel):
    """A head as mmengine trains it, which calls its loss or another one."""

    def __init__(self, loss, calls=True):
        super().__init__()
        self.linear = torch.nn.Linear(2, 3)
        self.loss_cls = None if loss is None else MODELS.build(loss)
        self.calls = calls

    def forward(self, inputs, labels, mode="loss"):
        logits = self.linear(torch.stack(inputs))
        labels = torch.tensor(labels)
        return {"loss": self.loss_cls(logits, labels) if self.calls else F.cross_entropy(logits, labels)}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: Model({"type": "torchghm.GHMC"}), None),
        (lambda: Model({"type": "torchghm.GHMC"}, calls=False), "harmonized loss_cls of this Model were not called"),
        (lambda: Model(None, calls=False), "No loss of torchghm is in this Model"),
    ],
)
def test_loss_that_is_never_called_is_an_error(model, message, tmp_path):
    rows = [(torch.randn(2), index % 3) for index in range(4)]
    runner = Runner(
        model(),
        work_dir=str(tmp_path),
        train_dataloader={
            "batch_size": 2,
            "dataset": rows,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "pseudo_collate"},
        },
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        custom_hooks=[{"type": "torchghm.CheckCalled"}],
        experiment_name=tmp_path.name,
        log_level="ERROR",
    )
    with pytest.raises(RuntimeError, match=message) if message else contextlib.nullcontext():
        runner.train()
