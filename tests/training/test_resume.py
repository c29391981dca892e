"""A run that goes on from a checkpoint, also one within an epoch, ends as if it had never stopped."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from tests.training.same_run import assert_same_run
from tests.training.tiny import TINY

from torchghm.training import train
from torchghm.training.loop.checkpoints import SafeCheckpointIO, load_checkpoint
from torchghm.training.loop.module import DetectorModule
from torchghm.training.run_folder import RunFolder

# Five steps an epoch, saved after the second and the fourth; augmented, warmed up, with a momentum, the
# backbone at a learning rate of its own.
RECIPE = TINY.with_values(
    {
        "data.batch_size": 1,
        "data.scale_jitter": [0.7, 1.3],
        "model.pyramid_channels": 64,
        "optimizer.name": "sgd",
        "optimizer.lr": 0.01,
        "optimizer.backbone_lr_factor": 0.5,
        "trainer.checkpoint_steps": 2,
    }
)


class Drawing(DetectorModule):
    """Draws random numbers in every step, as detectors with sampled anchors or dropout do; stops where it is told."""

    stops_before: tuple[int, int] | None = None

    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == self.stops_before:
            raise KeyboardInterrupt
        return super().training_step(batch, batch_idx) * (1 + torch.rand(()))


@pytest.fixture(autouse=True)
def drawing(monkeypatch):
    monkeypatch.setattr("torchghm.training.run.DetectorModule", Drawing)


def interrupted(monkeypatch, tiny_data, out, before, **options):
    monkeypatch.setattr(Drawing, "stops_before", before)
    with pytest.raises(KeyboardInterrupt, match="go on from .*last.ckpt"):
        train(tiny_data, out=out, progress=False, **options)
    monkeypatch.setattr(Drawing, "stops_before", None)


@pytest.fixture(scope="module")
def whole(tiny_data, tmp_path_factory):
    """The run without an interruption."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchghm.training.run.DetectorModule", Drawing)
        train(tiny_data, recipe=RECIPE, out=out, progress=False)
    return out


@pytest.mark.parametrize(
    ("before", "workers", "finished"),
    [((0, 3), 0, (0, 2)), ((1, 1), 1, (1, 5)), ((1, 4), 1, (1, 9))],
)
def test_from_the_last_checkpoint(monkeypatch, tiny_data, run_path, whole, before, workers, finished):
    recipe = RECIPE.with_values({"data.workers": workers})
    interrupted(monkeypatch, tiny_data, run_path, before, recipe=recipe)
    saved = load_checkpoint(RunFolder(run_path).last)
    assert (saved.epochs, saved.steps) == finished
    torch.rand(7)  # another process has drawn other numbers by then
    train(tiny_data, out=run_path, resume=True, progress=False)
    assert_same_run(run_path, whole)


def test_between_the_parts_of_accumulated_batches(monkeypatch, tiny_data, tmp_path, run_path):
    recipe = RECIPE.with_values({"data.batch_size": 2, "trainer.accumulate": 2, "trainer.checkpoint_steps": 1})
    interrupted(monkeypatch, tiny_data, run_path, (1, 3), recipe=recipe)
    saved = load_checkpoint(RunFolder(run_path).last)
    assert (saved.epochs, saved.steps) == (1, 3)
    train(tiny_data, out=run_path, resume=True, progress=False)
    train(tiny_data, recipe=recipe, out=tmp_path / "whole", progress=False)
    assert_same_run(run_path, tmp_path / "whole")


def test_of_a_loss_that_sizes_its_memory_by_the_first_batch(monkeypatch, tiny_data, tmp_path, run_path):
    recipe = RECIPE.with_values({"loss.cls": "eqlv2", "trainer.epochs": 1})
    interrupted(monkeypatch, tiny_data, run_path, (0, 3), recipe=recipe)
    train(tiny_data, out=run_path, resume=True, progress=False)
    train(tiny_data, recipe=recipe, out=tmp_path / "whole", progress=False)
    assert_same_run(run_path, tmp_path / "whole")
    state = torch.load(RunFolder(run_path).last, weights_only=True)["state_dict"]
    assert state["detector.cls_loss.gradients.sums"].shape == (2, 3)
    assert np.isnan(np.load(run_path / "gradient_norms.npz")["focal_gamma"])  # its gamma is another thing


def test_no_step_is_added_to_a_run_that_was_interrupted_after_its_last(monkeypatch, tiny_data, run_path):
    recipe = RECIPE.with_values({"trainer.max_steps": 3})

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("torchghm.training.run.evaluate_records", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_data, recipe=recipe, out=run_path, progress=False)
    table = (run_path / "metrics.csv").read_text()
    results = train(tiny_data, out=run_path, resume=True, progress=False)
    assert (results["steps"], results["epochs"]) == (3, 1)
    assert results["seconds"] > 0
    assert (run_path / "metrics.csv").read_text() == table


def test_a_complete_run_is_extended_and_an_interruption_of_that_changes_nothing(
    monkeypatch, tiny_data, tmp_path, run_path
):
    once, twice = (RECIPE.with_values({"trainer.epochs": epochs, "trainer.max_steps": None}) for epochs in (1, 2))
    results = {}
    for out in (run_path, tmp_path / "whole"):
        train(tiny_data, recipe=once, out=out, progress=False)
        if out == run_path:
            interrupted(monkeypatch, tiny_data, out, (1, 3), recipe=twice, resume=True)
            assert not RunFolder(out).results.exists()
        results[out] = train(tiny_data, recipe=twice, out=out, resume=True, progress=False)
        assert (results[out]["epochs"], results[out]["steps"]) == (2, 10)
    assert_same_run(run_path, tmp_path / "whole")
    with pytest.raises(ValueError, match="trainer.epochs was 2 and is 1"):
        train(tiny_data, recipe=once, out=run_path, resume=True, progress=False)


def test_the_schedule_of_an_extended_run_ends_with_it(tiny_data, run_path):
    """A limit of steps ended the first epoch after three of five: two epochs have eight steps then."""
    recipe = RECIPE.with_values({"optimizer.schedule": "cosine"})
    train(tiny_data, recipe=recipe.with_values({"trainer.max_steps": 3}), out=run_path, progress=False)
    results = train(tiny_data, recipe=recipe, out=run_path, resume=True, progress=False)
    assert (results["epochs"], results["steps"]) == (2, 8)
    with RunFolder(run_path).metrics.open() as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file)]
    assert rates[-1] == pytest.approx(0.01 * (1 + np.cos(np.pi * 7 / 8)) / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"checkpoint_steps": 2, "epochs": 1}, [2, 4, 5]),
        ({"checkpoint_steps": 5, "epochs": 2}, [5, 10]),
        ({"checkpoint_steps": 2, "max_steps": 4}, [2, 4]),
        ({"checkpoint_steps": None, "epochs": 1}, [5]),
    ],
)
def test_an_epoch_is_saved_at_its_end_and_after_every_so_many_steps(monkeypatch, tiny_data, run_path, settings, steps):
    saved = []
    save = SafeCheckpointIO.save_checkpoint

    def noted(self, checkpoint, *arguments, **options):
        saved.append(checkpoint["global_step"])
        save(self, checkpoint, *arguments, **options)

    monkeypatch.setattr(SafeCheckpointIO, "save_checkpoint", noted)
    recipe = RECIPE.with_values({f"trainer.{name}": value for name, value in settings.items()})
    train(tiny_data, recipe=recipe, out=run_path, progress=False)
    assert saved == steps
