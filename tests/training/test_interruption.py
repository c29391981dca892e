"""Ctrl-C, and a run that goes on as if nothing had happened."""

import csv
import os
import signal
import subprocess
import sys
import time

import torch
from tests.training.tiny import TINY

from torchghm.data import load_data, write_shards
from torchghm.training import train
from torchghm.training.recipe_files import recipe_yaml

# Nothing is resumed whose order, augmentation, optimiser, schedule or density could be lost unnoticed.
RECIPE = TINY.with_values({"trainer.epochs": 4, "data.scale_jitter": [0.7, 1.3], "data.colour_jitter": 0.3})
TIMES = ("images_per_second",)


def state(folder):
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    [optimizer] = content["optimizer_states"]
    moments = {f"{key}.{name}": value for key, entry in optimizer["state"].items() for name, value in entry.items()}
    return content["state_dict"], moments, content["lr_schedulers"][0]["last_epoch"]


def metrics(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tiny_data, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    (tmp_path / "tiny.yaml").write_text(recipe_yaml(RECIPE))
    command = [sys.executable, "-m", "torchghm", "train", "--data", str(tiny_data), "--out", str(broken)]
    process = subprocess.Popen(
        # With a worker, which gets the terminal's Ctrl-C too; the uninterrupted run is without.
        [*command, "--recipe", str(tmp_path / "tiny.yaml"), "--set", "data.workers=1"],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (broken / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == f"interrupted; go on from {broken}/checkpoints/last.ckpt with --resume"
    assert "Traceback" not in errors
    rows = len(metrics(broken))
    assert 1 <= rows < 4
    assert not (broken / "results.json").exists()

    # From tar shards: they are the same data, in the same order.
    shards = write_shards(load_data(tiny_data), tmp_path / "shards")
    resumed = train(shards, out=broken, resume=True, progress=False)
    uninterrupted = train(tiny_data, recipe=RECIPE, out=whole, progress=False)
    for key in ("metrics", "per_class", "epochs", "steps"):
        assert resumed[key] == uninterrupted[key]
    assert metrics(broken) == metrics(whole)
    assert (broken / "beta_history.csv").read_text() == (whole / "beta_history.csv").read_text()
    for after, expected in zip(state(broken), state(whole), strict=True):
        if isinstance(expected, dict):
            assert after.keys() == expected.keys()
            assert all(torch.equal(after[name], expected[name]) for name in expected)
        else:
            assert after == expected
