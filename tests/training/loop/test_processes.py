"""Processes of a run: their number, and the values that they exchange."""

from __future__ import annotations

import json

import pytest
import torch
import torch.distributed as dist
from tests.ranks import on_ranks
from tests.training.loop.test_average_precision import CLASSES, images
from tests.training.tiny import TINY

from torchghm.training.loop.average_precision import average_precision, joint_average_precision, seen_images
from torchghm.training.loop.nonfinite import NonFiniteError, NonFiniteGuard
from torchghm.training.loop.processes import (
    Launch,
    SameEverywhere,
    all_gather_objects,
    all_true,
    broadcast_object,
    devices_and_machines,
    gather_shards,
    is_first,
    launch,
    shard_for_rank,
)

COUNT = 11  # images, which two processes can't share evenly


def ties(detections):
    """Scores that many detections share, so that the order of the images decides."""
    return [{**found, "scores": (found["scores"] * 3).round() / 3} for found in detections]


def seen(detections, targets):
    return seen_images(ties(detections), targets)


def judge(rank, policy, report):
    """A step of which only the second process's loss is not finite."""
    guard = NonFiniteGuard(policy, "{}.png".format, report)
    guard.remember(torch.tensor(1.0 if rank == 0 else float("nan")), {}, [rank])
    try:
        return guard.allows(torch.tensor(1.0), epoch=0, step=5)
    except NonFiniteError as error:
        return str(error)


def tell(rank, folder):
    detections, targets = images(COUNT)
    everything = seen(detections, targets)
    try:
        SameEverywhere({"seed": 0, "data": "a" if rank == 0 else "b"}).setup(None, None, "fit")
        unlike = None
    except ValueError as error:
        unlike = str(error)
    SameEverywhere({"seed": 0}).setup(None, None, "fit")
    return {
        "first": is_first(),
        "share": shard_for_rank(list(range(COUNT))),
        "gathered": gather_shards(shard_for_rank(list(range(COUNT)))),
        "fewer than processes": gather_shards(shard_for_rank([7])),
        "broadcast_object": broadcast_object(f"process {rank}"),
        "all_gather_objects": all_gather_objects(rank),
        "everywhere": [all_true(torch.tensor(flag)) for flag in (True, rank == 0, False)],
        "precision": joint_average_precision(shard_for_rank(everything), CLASSES)[0],
        "unlike": unlike,
        "skip": judge(rank, "skip", folder / "skip.json"),
        "stop": judge(rank, "stop", folder / "stop.json"),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    return on_ranks(tell, folder, folder), folder


def test_images_are_shared_without_repeats_and_come_back_in_order(told):
    (first, second), _ = told
    assert (first["first"], second["first"]) == (True, False)
    assert (first["share"], second["share"]) == ([0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9])
    assert (first["gathered"], second["gathered"]) == (list(range(COUNT)), [])
    assert (first["fewer than processes"], second["fewer than processes"]) == ([7], [])


def test_average_precision_is_that_of_one_process_to_all_digits(told):
    (first, second), _ = told
    detections, targets = images(COUNT)
    alone = average_precision(seen(detections, targets), CLASSES)
    assert first["precision"] == second["precision"] == alone
    # What the test rests on: with these scores the order of the images makes a difference.
    other_order = [*range(0, COUNT, 2), *range(1, COUNT, 2)]
    assert average_precision([seen(detections, targets)[index] for index in other_order], CLASSES) != alone


def test_what_one_process_knows_all_know(told):
    (first, second), _ = told
    assert first["broadcast_object"] == second["broadcast_object"] == "process 0"
    assert first["all_gather_objects"] == second["all_gather_objects"] == [0, 1]
    assert first["everywhere"] == second["everywhere"] == [True, False, False]


def test_processes_that_see_other_data_all_stop(told):
    (first, second), _ = told
    assert first["unlike"] == second["unlike"]
    assert "Expected data to be the same in every process, but got a in the first and b in process 1" in first["unlike"]


def test_a_step_that_one_process_can_not_take_is_taken_by_none(told):
    (first, second), folder = told
    assert first["skip"] is second["skip"] is False
    for message in (first["stop"], second["stop"]):
        assert "step 5 (epoch 0) is not finite" in message
        assert "images 0.png, 1.png" in message
    for policy in ("skip", "stop"):
        [event] = json.loads((folder / f"{policy}.json").read_text())
        assert [part["images"] for part in event["batches"]] == [["0.png"], ["1.png"]]


def under_torchrun(monkeypatch, processes, each):
    for name, value in {"TORCHELASTIC_RUN_ID": "run", "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": each}.items():
        monkeypatch.setenv(name, str(value))


def under_slurm(monkeypatch, tasks, machines, each):
    values = {"SLURM_NTASKS": tasks, "SLURM_NNODES": machines, "SLURM_JOB_NAME": "train", "SLURM_NTASKS_PER_NODE": each}
    for name, value in values.items():
        if value is not None:
            monkeypatch.setenv(name, str(value))


def asked(**values):
    return TINY.with_values({f"trainer.{key}": value for key, value in values.items()}).trainer


def test_alone_the_recipe_decides():
    assert launch() is None
    assert devices_and_machines(asked()) == ("auto", 1)
    assert devices_and_machines(asked(devices=4, num_nodes=2)) == (4, 2)


def test_a_launcher_decides_what_the_recipe_leaves_open(monkeypatch):
    under_slurm(monkeypatch, 8, 2, 4)
    assert launch() == Launch("SLURM", 4, 2)
    assert devices_and_machines(asked()) == devices_and_machines(asked(devices=4, num_nodes=2)) == (4, 2)
    under_torchrun(monkeypatch, 6, 2)  # within a job of SLURM
    assert launch() == Launch("torchrun", 2, 3)


def test_launches_that_do_not_fit_are_refused(monkeypatch):
    under_torchrun(monkeypatch, 2, 2)
    with pytest.raises(
        ValueError, match=r"`trainer.devices` to be 2 or auto, because torchrun started 2 processes .* but got 3"
    ):
        devices_and_machines(asked(devices=3))
    with pytest.raises(ValueError, match=r"`trainer.num_nodes` to be 1 or auto, .*on each of 1 machines, but got 2"):
        devices_and_machines(asked(num_nodes=2))
    under_torchrun(monkeypatch, 5, 2)
    with pytest.raises(
        ValueError, match="Expected torchrun to start the same number of processes on every machine, but got 5"
    ):
        launch()


def test_slurm_has_to_say_how_many_tasks_each_machine_has(monkeypatch):
    under_slurm(monkeypatch, 2, 1, None)
    with pytest.raises(ValueError, match="--ntasks-per-node"):
        launch()


def test_alone_nothing_is_sent():
    assert not dist.is_initialized()
    assert (shard_for_rank([1, 2]), gather_shards([1, 2]), all_gather_objects(3), broadcast_object(4)) == (
        [1, 2],
        [1, 2],
        [3],
        4,
    )
    assert all_true(torch.tensor(True))
