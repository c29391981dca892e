"""One command as two processes: under torchrun, under Lightning's own launcher, and as SLURM's srun starts it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from tests.data.layouts import Sample, write_coco
from tests.training.tiny import BOXES, TINY
from torchvision.models import resnet18

from torchghm.training import evaluate, train
from torchghm.training.recipes.files import recipe_yaml

RECIPE = TINY.with_values(
    {
        "data.scale_jitter": [0.7, 1.3],
        "data.eval_batch_size": 1,  # a convolution's last bits depend on the batch's size, and scores here nearly tie
        "model.weights": "resnet18.pt",  # freezes batch norm: else each process would normalise by its own images
        "model.pyramid_channels": 64,
        "model.prior": 0.25,  # finds something from the start
        "optimizer.name": "sgd",
        "optimizer.lr": 1e-3,
    }
)
TIMES = ("images_per_second",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data of 5 training images and 3 to validate on, which two processes can't share evenly; the recipe."""
    folder = tmp_path_factory.mktemp("distributed")
    splits = ["train"] * 5 + ["val"] * 3 + ["test"] * 2
    write_coco(
        folder / "data",
        tuple(
            Sample(f"{number}.png", split, BOXES[: number % 4], (0, 1, 2)[: number % 4], width=64, height=64)
            for number, split in enumerate(splits)
        ),
    )
    (folder / "tiny.yaml").write_text(recipe_yaml(RECIPE))
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), folder / "resnet18.pt")
    yield folder
    shutil.rmtree(folder)


TORCHRUN = ("torch.distributed.run", "--nproc_per_node", "2")
TRAIN = ("train", "--data", "data", "--recipe", "tiny.yaml")


def start(folder, *arguments, command=TRAIN, launcher=(), **environment):
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, *(["-m"] if launcher else []), "torchghm", *command, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process):
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output, errors


def rows(run):
    with (run / "metrics.csv").open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def weights(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture
def one_thread():
    """As many as a process that `start` starts has: a convolution's last bits depend on that too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(folder):
    """A finished run under torchrun, and what its processes printed."""
    process = start(folder, "--out", "whole", launcher=TORCHRUN)
    return folder / "whole", *finished(process)


def test_two_processes_write_one_run(whole, folder):
    run, output, errors = whole
    assert [(row["epoch"], row["step"]) for row in rows(run)] == [("0", "2"), ("1", "4")]
    results = json.loads((run / "results.json").read_text())
    assert (results["steps"], results["split"]) == (4, "val,test")
    assert output.count("run folder: whole") == 1
    ends = [line for line in errors.splitlines() if line.startswith("epoch") and "  AP " in line]
    assert [line.split("  ")[0] for line in ends] == ["epoch 1/2", "epoch 2/2"]
    assert sorted(path.name for path in (run / "samples").iterdir()) == [f"{number}.jpg" for number in range(5)]
    assert len(list((run / "tensorboard").glob("events*"))) == 1


def test_two_processes_train_as_one_does(whole, folder):
    recipe = RECIPE.with_values({"model.weights": str(folder / "resnet18.pt")})
    train(folder / "data", recipe=recipe, out=folder / "alone", progress=False)
    for together, alone in zip(rows(whole[0]), rows(folder / "alone"), strict=True):
        for name in ("loss", "classification", "bbox_regression", "cls_occupied_regions", "cls_largest_beta"):
            assert float(together[f"train/{name}"]) == pytest.approx(float(alone[f"train/{name}"]), rel=1e-3), name
        assert (together["step"], together["lr"]) == (alone["step"], alone["lr"])


def test_average_precision_is_that_of_one_process(whole, folder, one_thread):
    run, _, _ = whole
    alone = evaluate(run, folder / "data", device="cpu")
    results = json.loads((run / "results.json").read_text())
    assert alone.images == 5
    assert any(value for value in alone.metrics.values())
    assert {key: getattr(alone, key) for key in ("metrics", "per_class")} == {
        key: results[key] for key in ("metrics", "per_class")
    }
    validation = evaluate(run, folder / "data", "val", device="cpu").metrics
    last = rows(run)[-1]
    assert {name: last[f"val/{name}"] for name in validation} == {
        name: "" if value is None else f"{value:.6g}" for name, value in validation.items()
    }


def test_eval_shares_the_images_and_says_it_once(whole, folder, one_thread):
    run, _, _ = whole
    command = ("eval", "whole", "--data", "data", "--split", "val,test", "--out", "evaluated.json")
    output, _ = finished(start(folder, command=command, launcher=TORCHRUN))
    assert output.count("AP by class") == 1
    evaluated = json.loads((folder / "evaluated.json").read_text())
    alone = evaluate(run, folder / "data", "val,test", device="cpu")
    assert evaluated["images"] == alone.images == 5
    assert {key: evaluated[key] for key in ("metrics", "per_class")} == {
        key: getattr(alone, key) for key in ("metrics", "per_class")
    }


def test_compare_runs_on_all_processes_and_writes_one_table(folder):
    command = ("compare", "--data", "data", "--recipe", "tiny.yaml", "--set", "trainer.max_steps=1", "--seeds", "1",
               "--pairs", "focal+smooth_l1,ghmc+ghmr", "--eval", "test", "--out", "compared")  # fmt: skip
    output, _ = finished(start(folder, command=command, launcher=TORCHRUN))
    assert output.count("comparison: compared") == 1
    comparison = json.loads((folder / "compared" / "comparison.json").read_text())
    assert [method["name"] for method in comparison["methods"]] == ["focal+smooth_l1", "ghmc+ghmr"]
    assert (folder / "compared" / "report.html").is_file()
    for method in ("focal+smooth_l1", "ghmc+ghmr"):
        assert [row["step"] for row in rows(folder / "compared" / "runs" / method / "seed-0")] == ["1"]


def test_an_interrupted_run_goes_on_under_another_launcher(whole, folder):
    broken = folder / "broken"
    process = start(folder, "--out", "broken", "--set", "trainer.devices=2", "--no-progress")
    while not (broken / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "interrupted; go on from broken/checkpoints/last.ckpt with --resume"
    assert len(rows(broken)) == 1

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_NODELIST": "127.0.0.1", "MASTER_PORT": port,
           "SLURM_NTASKS": "2", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_LOCALID": "0"}  # fmt: skip
    tasks = [start(folder, "--out", "broken", "--resume", **job, SLURM_PROCID=rank, SLURM_NODEID=rank) for rank in "01"]
    (output, _), (nothing, _) = (finished(task) for task in tasks)
    assert "run folder: broken" in output
    assert nothing == ""
    assert rows(broken) == rows(whole[0])
    expected = weights(whole[0])
    assert all(torch.equal(value, expected[name]) for name, value in weights(broken).items())
    assert (broken / "results.json").exists()


def test_a_process_that_is_left_alone_says_so(tmp_path):
    script = (
        "import os, sys, torch, torch.distributed as dist\n"
        "from torchghm.cli.errors import plain_errors\n"
        "rank = int(sys.argv[1])\n"
        "dist.init_process_group('gloo', init_method=f'file://{sys.argv[2]}/meeting', rank=rank, world_size=2)\n"
        "@plain_errors\n"
        "def command():\n"
        "    if rank == 1:\n"
        "        os._exit(0)\n"
        "    dist.all_reduce(torch.zeros(1))\n"
        "command()\n"
    )
    first, second = (
        subprocess.Popen([sys.executable, "-c", script, rank, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for rank in "01"
    )
    second.communicate()
    errors = first.communicate()[1]
    assert "error: the processes of this run have lost each other; if one of them stopped, its own message" in errors
