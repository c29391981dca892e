from __future__ import annotations

import pytest
import torch
from tests.training.same_run import assert_same_run
from tests.training.tiny import TINY

import torchghm.training.trainer
from torchghm import load_detector
from torchghm.training import train
from torchghm.training.loop.module import DetectorModule
from torchghm.training.run_folder import RunFolder
from torchghm.training.weight_averaging import TRAINING_WEIGHTS_KEY, AverageWeights, decay_at

RECIPE = TINY.with_values(
    {
        "data.batch_size": 1,
        "model.pyramid_channels": 32,
        "optimizer.lr": 1e-3,
        "trainer.ema": 0.4,  # reached in the fifth step
        "trainer.checkpoint_steps": 2,
    }
)


class Watched(AverageWeights):
    """Keeps the detector's state before the first step and after every one, and of every validation."""

    def __init__(self, decay):
        super().__init__(decay)
        self.states, self.validated = [], []
        seen.append(self)

    def on_fit_start(self, trainer, pl_module):
        super().on_fit_start(trainer, pl_module)
        self.states.append(copied(pl_module))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if trainer.global_step == len(self.states):
            self.states.append(copied(pl_module))

    def on_validation_start(self, trainer, pl_module):
        super().on_validation_start(trainer, pl_module)
        self.validated.append(copied(pl_module))


seen: list[Watched] = []


def copied(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_checkpoint_has_the_average_over_steps_and_the_losses_state_of_the_training(
    tiny_data, run_path, monkeypatch, accumulate
):
    seen.clear()
    monkeypatch.setattr(torchghm.training.trainer, "AverageWeights", Watched)
    recipe = RECIPE.with_values({"data.batch_size": accumulate, "trainer.accumulate": accumulate})
    train(tiny_data, recipe=recipe, out=run_path, progress=False)
    (callback,) = seen
    steps = 2 * (5 // accumulate)  # of five images
    assert len(callback.states) == 1 + steps
    assert len(callback.validated) == 2
    content = torch.load(RunFolder(run_path).last, weights_only=True)
    saved, trained, last = content["state_dict"], content[TRAINING_WEIGHTS_KEY], callback.states[-1]
    assert saved.keys() == last.keys()
    moved = 0
    for name, value in saved.items():
        if "cls_loss" in name or "box_loss" in name or not value.is_floating_point():
            assert name not in trained
            assert torch.equal(value, last[name]), name
            continue
        average = callback.states[0][name].double()
        for step in range(1, steps + 1):
            decay = min(0.4, (1 + step) / (10 + step))
            average = decay * average + (1 - decay) * callback.states[step][name].double()
        torch.testing.assert_close(value.double(), average, rtol=1e-5, atol=1e-6, msg=name)
        assert torch.equal(trained[name], last[name]), name
        assert torch.equal(callback.validated[-1][name], value), name
        moved += not torch.equal(value, last[name])
    assert moved > 100
    assert any("running_var" in name for name in trained)
    assert any("density_state" in name for name in saved)
    detector = load_detector(run_path)
    for name, value in detector.detector.named_parameters():
        assert torch.equal(value, saved[f"detector.{name}"]), name


class Stopping(DetectorModule):
    """Stops in the second epoch, two steps after the last checkpoint's but one."""

    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (1, 3):
            raise KeyboardInterrupt
        return super().training_step(batch, batch_idx)


def test_an_interrupted_run_ends_in_the_same_averages(tiny_data, tmp_path, run_path, monkeypatch):
    recipe = RECIPE.with_values({"trainer.ema": 0.99})
    train(tiny_data, recipe=recipe, out=tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("torchghm.training.run.DetectorModule", Stopping)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_data, recipe=recipe, out=run_path, progress=False)
    train(tiny_data, out=run_path, resume=True, progress=False)
    assert_same_run(run_path, tmp_path / "whole")


def test_the_decay_rises_to_its_value():
    assert [decay_at(step, 0.5) for step in (1, 2, 8, 100)] == [2 / 11, 3 / 12, 0.5, 0.5]


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, float("nan")])
def test_a_decay_out_of_its_range_is_refused(value):
    with pytest.raises(ValueError, match=r"Expected `trainer\.ema` to be a decay above 0 and below 1, .* but got"):
        TINY.with_values({"trainer.ema": value})


def test_no_average_without_the_option(trained):
    assert TRAINING_WEIGHTS_KEY not in torch.load(trained.folder.last, weights_only=True)
