"""Cost of the sum over ranks: a step of GHM-C with it and without, in 1 to 8 processes on this machine (gloo)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import torchghm
from benchmarks.speed import candidates
from benchmarks.speed.measure import Row, Step, quantiles
from torchghm.functional.density import region_count

PROCESSES = (1, 2, 4, 8)
LOGITS = (960, 1_000_000)
"""Logits of each process: a call's overhead, and about an image of 240 x 320 with 10 classes."""
BINS = 30
LEAST_TURNS, STEPS_A_TURN = 5, 5


def ranks(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """Every process with a thread and logits of its own; the times are the first one's."""
    if device == "cuda":
        return  # as many processes as GPUs would be wanted
    for processes in PROCESSES if scale == 1 else PROCESSES[1:2]:
        for logits in LOGITS if scale == 1 else LOGITS[:1]:
            for candidate, times in _times(processes, logits, seconds / 4).items():
                name = f"ranks, {processes} {'process' if processes == 1 else 'processes'}"
                yield Row(name, candidate, logits, BINS, quantiles(times), len(times), None)


def _times(processes: int, logits: int, seconds: float) -> dict[str, list[float]]:
    with TemporaryDirectory() as folder:
        arguments = (processes, logits, seconds, folder)
        mp.start_processes(_measure, arguments, nprocs=processes, start_method="spawn")
        times: dict[str, list[float]] = torch.load(Path(folder, "times.pt"))
    return times


def _measure(rank: int, processes: int, logits: int, seconds: float, folder: str) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes)
    steps = _steps(logits)
    _turn(steps)  # compilation, caches, connections
    started = time.perf_counter()
    times = {name: [time_] for name, time_ in _turn(steps).items()}
    # As many turns for all: the first process says how many.
    turns = torch.tensor(max(LEAST_TURNS, int(seconds / (time.perf_counter() - started))))
    dist.broadcast(turns, 0)
    for _ in range(int(turns) - 1):
        for name, time_ in _turn(steps).items():
            times[name].append(time_)
    if rank == 0:
        torch.save(times, Path(folder, "times.pt"))
    dist.barrier()
    dist.destroy_process_group()


def _steps(logits: int) -> dict[str, Step]:
    inputs, targets = candidates.batch(logits, "cpu")
    steps: dict[str, Step] = {}
    for name, density in (("GHM-C", "regions"), ("GHM-C, exact", "exact")):
        for sync in (False, True):
            loss = torchghm.GHMCLoss(BINS, density=density, sync=sync)  # type: ignore[arg-type]
            steps[name if sync else f"{name}, each rank alone"] = candidates.step(loss, inputs, targets)
        sent = torch.zeros(region_count(BINS, density), dtype=torch.float64)  # type: ignore[arg-type]
        steps[f"all-reduce of {sent.numel()} numbers"] = lambda sent=sent: dist.all_reduce(sent)  # type: ignore[misc]
    return steps


def _turn(steps: Mapping[str, Step]) -> dict[str, float]:
    """Return every candidate's time in milliseconds, the processes starting each together."""
    times = {}
    for name, step in steps.items():
        dist.barrier()
        started = time.perf_counter()
        for _ in range(STEPS_A_TURN):
            step()
        times[name] = (time.perf_counter() - started) * 1e3 / STEPS_A_TURN
    return times
