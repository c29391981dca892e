"""The processes of a run: how many a launcher started, and their collective operations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain, zip_longest
from typing import Any, Literal, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from torchghm.training.loop.lightning_messages import without_lightning_messages
from torchghm.training.recipes.sections import TrainerRecipe

T = TypeVar("T")


class Launch(NamedTuple):
    """The processes that a launcher started."""

    launcher: str
    devices: int
    """Processes on each machine, one a device."""
    machines: int


def launch() -> Launch | None:
    """Return the processes that torchrun or SLURM's srun started, None where this process was started by neither.

    Raises:
        ValueError: not the same number of processes on every machine.
    """
    if TorchElasticEnvironment.detect():
        launcher, processes, devices = "torchrun", int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
        machines = processes // devices
    elif SLURMEnvironment.detect():
        launcher, processes = "SLURM", int(os.environ["SLURM_NTASKS"])
        machines = int(os.environ.get("SLURM_NNODES", "1"))
        if processes > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
            raise ValueError("Expected the SLURM job to set --ntasks-per-node, but got --ntasks alone")
        devices = processes // machines
    else:
        return None
    if devices * machines != processes:
        raise ValueError(
            f"Expected {launcher} to start the same number of processes on every machine, "
            f"but got {processes} on {machines}"
        )
    return Launch(launcher, devices, machines)


def devices_and_machines(recipe: TrainerRecipe) -> tuple[int | Literal["auto"], int]:
    """Return devices a machine and machines: a recipe's "auto" is what the launcher started, without one 1 machine.

    Raises:
        ValueError: the recipe names other numbers than the launcher started.
    """
    started = launch()
    if started is None:
        return recipe.devices, 1 if recipe.num_nodes == "auto" else recipe.num_nodes
    for key, asked, there in (
        ("devices", recipe.devices, started.devices),
        ("num_nodes", recipe.num_nodes, started.machines),
    ):
        if asked not in ("auto", there):
            raise ValueError(
                f"Expected `trainer.{key}` to be {there} or auto, because {started.launcher} started {started.devices} "
                f"processes on each of {started.machines} machines, but got {asked}"
            )
    return started.devices, started.machines


def join(accelerator: str) -> torch.device | None:
    """Meet the other processes that a launcher started, before a trainer does.

    Arguments:
        accelerator: as in the recipe.

    Returns:
        This process's device; None where it was started alone.
    """
    with without_lightning_messages():
        started = launch()
        if started is None or started.devices * started.machines == 1:
            return None
        fabric = Fabric(accelerator=accelerator, devices=started.devices, num_nodes=started.machines, strategy="ddp")
        fabric.launch()
    return fabric.device


def is_first() -> bool:
    """Return whether this process writes files and prints results; known before the processes have met."""
    return (dist.get_rank() if _have_met() else int(rank_zero_only.rank)) == 0  # type: ignore[attr-defined]


def process_count() -> int:
    """Return the number of processes that have met, 1 before that."""
    return dist.get_world_size() if _have_met() else 1


def barrier() -> None:
    """Wait until all processes have come here."""
    all_gather_objects(None)


def broadcast_object(value: T) -> T:
    """Return the first process's value on all."""
    if process_count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def all_gather_objects(value: T) -> list[T]:
    """Return every process's value on all, in their order."""
    if process_count() == 1:
        return [value]
    values: list[Any] = [None] * process_count()
    dist.all_gather_object(values, value)
    return values


def all_true(flag: Tensor) -> bool:
    """Return whether a scalar is true on all processes. This waits for the device."""
    if process_count() > 1:
        flag = flag.to(torch.int32)
        dist.all_reduce(flag, dist.ReduceOp.MIN)
    return bool(flag)


def shard_for_rank(images: T) -> T:
    """Return this process's images, without repeats: every P-th of P processes' images."""
    return images[dist.get_rank() :: process_count()] if process_count() > 1 else images  # type: ignore[index]


def gather_shards(images: list[T]) -> list[T]:
    """Return the images of all processes in their common order on the first process, nothing on others."""
    if process_count() == 1:
        return images
    shares: list[Any] | None = [None] * process_count() if dist.get_rank() == 0 else None
    dist.gather_object(images, shares)
    return [image for image in chain.from_iterable(zip_longest(*shares or [])) if image is not None]


def _have_met() -> bool:
    return dist.is_available() and dist.is_initialized()


class SameEverywhere(Callback):
    """Ends a run on all processes if one of them sees other facts: they would train apart without a word.

    Arguments:
        facts: what has to be the same, by its name.
    """

    def __init__(self, facts: Mapping[str, object]) -> None:
        self.facts = dict(facts)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compare, once the processes have met.

        Raises:
            ValueError: the fact and the process are named.
        """
        first, *others = all_gather_objects(self.facts)
        for rank, facts in enumerate(others, start=1):
            for name, value in facts.items():
                if value != first[name]:
                    raise ValueError(
                        f"Expected {name} to be the same in every process, but got {first[name]} in the first "
                        f"and {value} in process {rank}: all machines need the same command, data and output folder"
                    )
