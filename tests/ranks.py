"""Several processes that compute together, over gloo on the loopback interface."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.utils._python_dispatch import TorchDispatchMode


def on_ranks(function: Callable[..., Any], folder: Path, *arguments: Any, ranks: int = 2) -> list[Any]:
    """Call ``function(rank, *arguments)`` in each of so many processes, and return what they return."""
    mp.start_processes(_run, (function, str(folder), arguments, ranks), nprocs=ranks, start_method="spawn")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(ranks)]


def _run(rank: int, function: Callable[..., Any], folder: str, arguments: tuple[Any, ...], ranks: int) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    # Ranks that wait for each other for ever are a failure, not a test without an end.
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks, timeout=timedelta(minutes=2))
    torch.save(function(rank, *arguments), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


class SentNumbers(TorchDispatchMode):
    """Notes how many numbers every collective operation sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            assert "allreduce" in func.name(), func
            self.sent.append(sum(tensor.numel() for tensor in args[0]))
        return func(*args, **(kwargs or {}))
