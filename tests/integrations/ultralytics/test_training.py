"""Ultralytics' trainers: losses of their own, states beside the checkpoints, and nothing of ours in the models."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

import torchghm

from tests.integrations.ultralytics.models import folder, ultralytics  # isort: skip

from torchghm.integrations.ultralytics import rtdetr_trainer, trainer


class StopError(Exception):
    """Stands for a machine that is switched off."""


def stop(_):
    raise StopError


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A training of two branches that was stopped after its first epoch; its options and what its losses knew."""
    where = tmp_path_factory.mktemp("ultralytics")
    options = folder(where, "two_branches")
    model = ultralytics.YOLO(where / "model.yaml", task="detect")
    model.add_callback("on_model_save", stop)
    with pytest.raises(StopError):
        model.train(trainer=trainer(torchghm.GHMCLoss(), torchghm.GHMRLoss()), epochs=3, **options)
    return where / "runs" / "run" / "weights", model.trainer


def test_only_the_trained_model_is_harmonized(interrupted):
    weights, first = interrupted
    assert {name: losses.calls for name, losses in first.harmonized.all().items()} == {
        "cls_losses": 4,
        "box_losses": 4,
    }
    assert list(first.harmonized.cls_losses.branches) == ["one2many", "one2one"]
    assert type(first.ema.ema.criterion.one2one.bce) is torch.nn.BCEWithLogitsLoss  # of the validator
    for model in (first.model, first.ema.ema):
        assert not [name for name in model.state_dict() if "density" in name]
    classes = get_unsafe_globals_in_checkpoint(weights / "last.pt")
    assert "ultralytics.nn.tasks.DetectionModel" in classes
    assert not [name for name in classes if name.startswith("torchghm")]


def test_state_of_other_shapes_is_named(interrupted):
    """Before the checkpoint is used up by the test below."""
    weights, _ = interrupted
    for losses, says in (
        ((torchghm.GHMCLoss(bins=7), torchghm.GHMRLoss()), "saved with 30 regions, but this loss has 7"),
        ((torchghm.GHMCLoss(), None), "Expected a state of cls_losses in .*torchghm.pt, but got cls_losses, box_loss"),
    ):
        with pytest.raises((RuntimeError, ValueError), match=says):
            ultralytics.YOLO(weights / "last.pt").train(trainer=trainer(*losses), resume=True)


def test_state_is_kept_over_resume(interrupted):
    weights, first = interrupted
    saved = torch.load(weights / "torchghm.pt", weights_only=True)
    assert saved["epoch"] == 0
    torch.testing.assert_close(saved["losses"]["cls_losses"], first.harmonized.cls_losses.state_dict())
    started = []

    def note(resumed):
        states = {name: losses.state_dict() for name, losses in resumed.harmonized.all().items()}
        started.append(pickle.loads(pickle.dumps(states)))
        assert resumed.model.criterion.updates == 1  # the host's decay of the first branch goes on, too

    again = ultralytics.YOLO(weights / "last.pt")
    again.add_callback("on_train_start", note)
    again.train(trainer=trainer(torchghm.GHMCLoss(), torchghm.GHMRLoss()), resume=True)
    torch.testing.assert_close(started[0], saved["losses"])
    assert torch.load(weights / "torchghm.pt", weights_only=True)["epoch"] == 2
    # And the best weights are those of a model of the host.
    assert len(ultralytics.YOLO(weights / "best.pt").predict(torch.rand(1, 3, 64, 64), verbose=False)) == 1


def test_criterion_that_was_replaced_stops_the_first_step(tmp_path):
    options = folder(tmp_path, "distributions")
    model = ultralytics.YOLO(tmp_path / "model.yaml", task="detect")

    def put_back(current):
        current.model.criterion = current.model.init_criterion()

    model.add_callback("on_train_start", put_back)
    with pytest.raises(RuntimeError, match="cls_losses were not called in the first step"):
        model.train(trainer=trainer(torchghm.GHMCLoss()), epochs=1, **options)


def test_labels_out_of_range_stop_the_first_step(tmp_path):
    options = folder(tmp_path, "distributions")
    model = ultralytics.YOLO(tmp_path / "model.yaml", task="detect")

    def mislabel(current):
        for labels in current.train_loader.dataset.labels:
            labels["cls"][0] = 2

    model.add_callback("on_train_start", mislabel)
    with pytest.raises(ValueError, match="class labels from 0 to 1, but got values from 1 to 2"):
        model.train(trainer=trainer(torchghm.GHMCLoss()), epochs=1, mosaic=0.0, **options)


def test_models_of_other_tasks_are_named(tmp_path):
    options = folder(tmp_path, "distributions")
    layout = (
        (tmp_path / "model.yaml").read_text().replace("Detect", "Segment").replace("- nc", "- nc\n    - 4\n    - 8")
    )
    (tmp_path / "model.yaml").write_text(layout)
    with pytest.raises(TypeError, match="Expected a model for boxes of YOLO .* but got SegmentationModel with v8Segm"):
        harmonized_criterion_of(tmp_path / "model.yaml", options)


def harmonized_criterion_of(layout, options):
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import SegmentationModel

    from torchghm.integrations.ultralytics.criteria import TrainingLosses, harmonize_criterion

    model = SegmentationModel(str(layout), verbose=False)
    model.args = get_cfg(overrides={"imgsz": options["imgsz"]})
    harmonize_criterion(model, TrainingLosses(torchghm.GHMCLoss(), None))


def test_rtdetr_trains(tmp_path):
    options = folder(tmp_path, "rtdetr", images=2)
    model = ultralytics.RTDETR(tmp_path / "model.yaml")
    model.train(trainer=rtdetr_trainer(torchghm.GHMCLoss(), torchghm.GHMRLoss()), epochs=1, **options)
    assert model.trainer.harmonized.cls_losses.calls == 4 + 3
    state = torch.load(tmp_path / "runs" / "run" / "weights" / "torchghm.pt", weights_only=True)
    assert state["losses"].keys() == {"cls_losses", "box_losses"}


def test_class_of_the_trainer_travels_to_other_processes():
    cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")
    twin = pickle.loads(cloudpickle.dumps(trainer(torchghm.GHMCLoss(bins=7))))
    assert twin.templates[0].bins == 7
    assert twin.__mro__[2] is ultralytics.models.yolo.detect.DetectionTrainer


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(TypeError, match="`cls_loss` or `box_loss` to be a loss, but got None for both"):
        trainer()
    with pytest.raises(ValueError, match="activation='sigmoid', but got activation='softmax'"):
        rtdetr_trainer(torchghm.GHMCLoss(activation="softmax"))
