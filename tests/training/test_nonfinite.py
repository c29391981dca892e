import json

import pytest
import torch
from tests.training.tiny import TINY

from torchghm.training import train
from torchghm.training.nonfinite import NonFiniteError, NonFiniteGuard

EXPLODES = TINY.with_values(
    {"optimizer.name": "sgd", "optimizer.lr": 1e30, "optimizer.schedule": "constant", "optimizer.gradient_clip": None}
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


def test_a_run_stops_and_names_the_images(tiny_data, run_path):
    with pytest.raises(
        NonFiniteError, match=r"step 1 \(epoch 0\) is not finite: .*train2017/\d\.png.*on_nonfinite=skip"
    ):
        train(tiny_data, recipe=EXPLODES, out=run_path, progress=False)
    [event] = json.loads((run_path / "checkpoints" / "nonfinite.json").read_text())
    assert len(event["batches"][0]["images"]) == 2
    assert "nan" in event["batches"][0]["losses"].values()


def test_skipped_steps_leave_the_weights_alone(tiny_data, run_path):
    recipe = EXPLODES.with_values({"trainer.on_nonfinite": "skip"})
    results = train(tiny_data, recipe=recipe, out=run_path, progress=False)
    assert results["steps"] == 4
    skipped = json.loads((run_path / "checkpoints" / "nonfinite.json").read_text())
    assert [event["step"] for event in skipped] == [1, 2, 3]
    weights = torch.load(run_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    bias = weights["detector.head.classification_head.cls_logits.bias"]
    assert bias.isfinite().all()  # far away after its only step, and there ever since
    assert bias.abs().max() > 1e20
