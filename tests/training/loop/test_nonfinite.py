import json

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins import MixedPrecision
from tests.training.tiny import TINY

from torchghm.data import load_data
from torchghm.training import train
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.datamodule import DetectionDataModule
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.nonfinite import NonFiniteError, NonFiniteGuard
from torchghm.training.run_folder import RunFolder

EXPLODES = TINY.with_values(
    {
        "model.pyramid_channels": 64,
        "optimizer.name": "sgd",
        "optimizer.lr": 1e30,
        "optimizer.schedule": "constant",
        "optimizer.gradient_clip": None,
    }
)


def judged(guard, loss, norm):
    guard.remember(torch.tensor(loss), {"train/loss": torch.tensor(loss), "unwatched": torch.tensor(1 / 3)}, [3, 4])
    return guard.allows(None if norm is None else torch.tensor(norm), epoch=1, step=9)


@pytest.mark.parametrize(
    ("loss", "norm", "finite"),
    [(1.0, 2.0, True), (float("nan"), 2.0, False), (1.0, float("inf"), False), (1.0, None, True)],
)
def test_a_step_is_judged_by_loss_and_gradient(tmp_path, loss, norm, finite):
    report = tmp_path / "checkpoints" / "nonfinite.json"
    assert judged(NonFiniteGuard("skip", "{}.png".format, report), loss, norm) is finite
    assert report.exists() is not finite
    if not finite:
        [event] = json.loads(report.read_text())
        assert (event["epoch"], event["step"]) == (1, 9)
        assert event["batches"] == [
            {"images": ["3.png", "4.png"], "losses": {"train/loss": f"{loss:.6g}", "unwatched": "0.333333"}}
        ]


def test_a_batch_is_judged_once():
    guard = NonFiniteGuard("skip")
    assert not judged(guard, float("nan"), 1.0)
    assert judged(guard, 1.0, 1.0)


def test_the_newest_hundred_steps_are_kept(tmp_path):
    report = tmp_path / "nonfinite.json"
    for step in range(102):
        guard = NonFiniteGuard("skip", report=report)  # as of a run that is interrupted after each
        guard.remember(torch.tensor(float("nan")), {}, [])
        guard.allows(None, epoch=0, step=step)
    assert [event["step"] for event in json.loads(report.read_text())] == list(range(2, 102))


def test_a_run_stops_and_names_the_images_and_can_go_on_without_them(tiny_data, tmp_path, run_path):
    recipe = EXPLODES.with_values({"trainer.checkpoint_steps": 1})
    with pytest.raises(
        NonFiniteError, match=r"step 1 \(epoch 0\) is not finite: .*train2017/\d\.png.*on_nonfinite=skip"
    ):
        train(tiny_data, recipe=recipe, out=run_path, progress=False)
    folder = RunFolder(run_path)
    [event] = json.loads(folder.nonfinite.read_text())
    [batch] = event["batches"]
    assert len(batch["images"]) == 2
    assert batch["losses"]["train/loss"] == "nan"
    assert {"train/cls_plain_loss", "train/cls_occupied_regions", "train/cls_largest_beta"} <= set(batch["losses"])
    assert load_checkpoint(folder.last).steps == 1

    skips = recipe.with_values({"trainer.on_nonfinite": "skip"})
    train(tiny_data, recipe=skips, out=run_path, resume=True, progress=False)
    assert [event["step"] for event in json.loads(folder.nonfinite.read_text())] == [1, 1, 2, 3]


def test_skipped_steps_leave_no_trace(tiny_data, tmp_path, run_path):
    """In the weights, in the optimiser, in the statistics of batch norm and in the losses' densities."""
    one_step = EXPLODES.with_values({"trainer.max_steps": 1})
    train(tiny_data, recipe=one_step, out=tmp_path / "one", progress=False)
    results = train(
        tiny_data, recipe=EXPLODES.with_values({"trainer.on_nonfinite": "skip"}), out=run_path, progress=False
    )
    assert results["steps"] == 4
    folder = RunFolder(run_path)
    assert [event["step"] for event in json.loads(folder.nonfinite.read_text())] == [1, 2, 3]
    expected = torch.load(RunFolder(tmp_path / "one").last, weights_only=True)
    found = torch.load(folder.last, weights_only=True)
    assert all(torch.equal(value, found["state_dict"][name]) for name, value in expected["state_dict"].items())
    bias = found["state_dict"]["detector.head.classification_head.cls_logits.bias"]
    assert bias.abs().max() > 1e20  # far away after its only step, and there ever since
    assert found["state_dict"]["detector.cls_loss.density_state.seen"] == 0.25
    momentum = [entry["momentum_buffer"] for entry in found["optimizer_states"][0]["state"].values()]
    assert all(value.isfinite().all() for value in momentum)


@pytest.mark.filterwarnings("ignore:.*treespec")  # Lightning's own business
@pytest.mark.filterwarnings("ignore:Detected call of")  # of the scheduler before the first step, which the scaler skips
def test_a_scaler_that_looks_for_its_scale_is_no_event(tiny_data, tmp_path):
    """fp16: gradients that overflow are the scaler's business, a loss that is not finite is ours."""
    recipe = TINY.with_values(
        {"trainer.precision": "16-mixed", "trainer.on_nonfinite": "skip", "model.pyramid_channels": 64}
    )
    data = DetectionDataModule(load_data(tiny_data), recipe)
    report = tmp_path / "nonfinite.json"
    module = DetectorModule(recipe, data.data.classes, steps_per_epoch=2, guard=NonFiniteGuard("skip", report=report))
    module.detector.register_forward_hook(
        lambda detector, images, losses: (
            {name: loss * float("nan") for name, loss in losses.items()} if module.global_step == 2 else losses
        )
    )
    # Far too large a scale. Lightning offers none on a CPU by itself.
    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**40))
    seen = []

    class See(Callback):
        def on_train_batch_end(self, trainer, *rest):
            state = {name: value.clone() for name, value in module.state_dict().items()}
            seen.append((plugin.scaler.get_scale(), state))

    Trainer(
        max_epochs=2, accelerator="cpu", plugins=[plugin], callbacks=[See()], logger=False, limit_val_batches=0,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    ).fit(module, datamodule=data)  # fmt: skip
    scales, states = zip(*seen, strict=True)
    assert scales == (2.0**39, 2.0**38, 2.0**37, 2.0**36)
    assert [event["step"] for event in json.loads(report.read_text())] == [2]
    density = "detector.cls_loss.density_state.fractions"
    assert not torch.equal(states[0][density], states[1][density])
    assert all(torch.equal(value, states[2][name]) for name, value in states[1].items())
