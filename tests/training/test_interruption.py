"""A run that is interrupted, killed or out of room, in processes of its own, goes on as if nothing had happened."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
import torch
from tests.training.same_run import assert_same_run, rows
from tests.training.tiny import TINY
from typer.testing import CliRunner

from torchghm.cli.app import app
from torchghm.data import load_data, write_shards
from torchghm.training import train
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.recipes.files import recipe_yaml
from torchghm.training.run_folder import RunFolder

# Nothing is resumed whose order, augmentation, optimiser, schedule or density could be lost unnoticed.
# Five steps an epoch, saved after the second, the fourth and the fifth.
RECIPE = TINY.with_values(
    {
        "data.batch_size": 1,
        "data.scale_jitter": [0.7, 1.3],
        "data.colour_jitter": 0.3,
        "model.pyramid_channels": 64,
        "trainer.epochs": 3,
        "trainer.checkpoint_steps": 2,
    }
)


@pytest.fixture(scope="module")
def whole(tiny_data, tmp_path_factory):
    """The run without an interruption."""
    out = tmp_path_factory.mktemp("whole")
    train(tiny_data, recipe=RECIPE, out=out, progress=False)
    return out


@pytest.fixture
def start(tiny_data, tmp_path, run_path):
    """Start `torchghm train` as a process; what is left of it is ended with the test."""
    (tmp_path / "tiny.yaml").write_text(recipe_yaml(RECIPE))
    processes = []

    def started(*options):
        command = [sys.executable, "-m", "torchghm", "train", "--data", tiny_data, "--out", run_path, *options]
        environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.wait()
        process.stderr.close()


def wait(process, condition):
    """Wait until something is there that the process makes."""
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)


def test_ctrl_c(tiny_data, tmp_path, run_path, start, whole):
    folder = RunFolder(run_path)
    # With a worker, which gets the terminal's Ctrl-C too; the uninterrupted run is without.
    process = start("--recipe", tmp_path / "tiny.yaml", "--set", "data.workers=1")
    wait(process, lambda: folder.metrics.exists() and folder.last.exists())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == f"interrupted; go on from {folder.last} with --resume"
    assert "Traceback" not in errors
    assert 1 <= len(rows(folder.metrics)) < 3
    assert not folder.results.exists()

    # From tar shards: they are the same data, in the same order.
    shards = write_shards(load_data(tiny_data), tmp_path / "shards")
    train(shards, out=run_path, resume=True, progress=False)
    assert_same_run(run_path, whole)


def test_killed_twice_and_out_of_room_in_between(tiny_data, tmp_path, run_path, start, whole):
    folder = RunFolder(run_path)

    # Within an epoch.
    process = start("--recipe", tmp_path / "tiny.yaml")
    wait(process, folder.last.exists)
    process.kill()
    process.wait()
    first = load_checkpoint(folder.last)
    assert (first.epochs, first.steps) in ((0, 2), (0, 4))

    # No room for a checkpoint, as on a full disk.
    before = folder.last.read_bytes()
    process = start("--resume", "--no-progress")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors == f"error: can't write '{folder.last}' (the one before is kept): File too large\n"
    assert folder.last.read_bytes() == before
    assert [file for file in folder.checkpoints.iterdir() if file.name.startswith(".")] == []

    # While a checkpoint is written: stopped first, to see that it is not complete yet.
    process = start("--resume")
    half = folder.last.with_name(f".last.ckpt.{process.pid}")
    wait(process, lambda: stopped_with(process, half))
    process.kill()
    process.wait()
    assert half.exists()
    assert folder.last.read_bytes() == before or load_checkpoint(folder.last).steps > first.steps

    train(tiny_data, out=run_path, resume=True, progress=False)
    assert_same_run(run_path, whole)
    assert sorted(file.name for file in folder.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_ctrl_c_in_a_comparison_keeps_its_finished_runs(tiny_data, tmp_path, run_path):
    (tmp_path / "tiny.yaml").write_text(
        recipe_yaml(RECIPE.with_values({"optimizer.name": "sgd", "trainer.epochs": 1, "data.workers": 1}))
    )
    command = [
        "compare", "--data", str(tiny_data), "--recipe", str(tmp_path / "tiny.yaml"), "--out", str(run_path),
        "--pairs", "focal+smooth_l1,ghmc+ghmr", "--seeds", "1",
    ]  # fmt: skip
    first, second = (RunFolder(run_path / "runs" / name / "seed-0") for name in ("focal+smooth_l1", "ghmc+ghmr"))
    process = subprocess.Popen(
        [sys.executable, "-m", "torchghm", *command],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait(process, second.last.exists)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the processes that load images too
        _, errors = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "interrupted; the same command goes on from here"
    assert "Traceback" not in errors
    assert not second.results.exists()
    [method] = json.loads((run_path / "comparison.json").read_text())["methods"]
    assert method["name"] == "focal+smooth_l1"
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in (first.results, first.last)}

    result = CliRunner().invoke(app, [*command, "--no-progress"])
    assert result.exit_code == 0, result.output
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in before} == before
    methods = json.loads((run_path / "comparison.json").read_text())["methods"]
    assert [method["name"] for method in methods] == ["focal+smooth_l1", "ghmc+ghmr"]
    assert second.read_results()["steps"] == 5


def stopped_with(process, file):
    """Stop the process where a file is there; let it go on where the file is gone by then."""
    if not file.exists():
        return False
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG)  # or the next stop would be taken for this one
    if file.exists():
        return True
    process.send_signal(signal.SIGCONT)
    return False
