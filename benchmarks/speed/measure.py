"""Measuring: candidates take turns, so that a busy moment of the machine falls on all of them."""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from ctypes import CDLL
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

import torchghm.kernels.cpu.gradient_memory

Step = Callable[[], object]

LONG = 1000
"""Milliseconds of a step beside which it is nothing to clear away what others left."""
BLOCK = 10
"""Milliseconds that a step is repeated for within one timing, and before it untimed."""


@dataclass(frozen=True)
class Row:
    """One candidate in one setup."""

    benchmark: str
    candidate: str
    numbers: int
    """Logits or coordinates."""
    regions: int
    milliseconds: tuple[float, float, float]
    """p20, p50, p80 of one forward and backward."""
    runs: int
    extra_mib: float | None
    """Peak resident (GPU: allocated) memory of one step above what was there before it, None if not measured."""


def timed(
    candidates: Mapping[str, Step], *, seconds: float, device: str, least_runs: int = 5
) -> dict[str, list[float]]:
    """Return every candidate's times in milliseconds, taken in turns for about so many seconds in all."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for step in candidates.values():  # compilation, caches, memory
        step()
        step()
    durations = {name: _time(step, 3, device) for name, step in candidates.items()}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < least_runs:
        for name, step in candidates.items():
            repeats = max(1, min(1000, int(BLOCK / max(durations[name], 1e-4))))
            # What the candidates before have freed goes back to the system in the steps after them, and page tables
            # and caches are as they left them.
            for _ in range(repeats if durations[name] < LONG else 0):
                step()
            times[name].append(_time(step, repeats, device))
    return times


def process_times(steps: Mapping[str, Step], seconds: float) -> dict[str, list[float]]:
    """Return the process time of steps in milliseconds, one of each in turn, whose order alternates."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    order = list(steps)
    for _ in range(2):  # compilation, caches, memory
        for step in steps.values():
            step()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[order[0]]) < 5:
        for name in order:
            start = time.process_time()
            steps[name]()
            times[name].append(1000 * (time.process_time() - start))
        order.reverse()
    return times


def quantiles(times: list[float]) -> tuple[float, float, float]:
    """Return p20, p50 and p80."""
    p20, p50, p80 = np.quantile(times, [0.2, 0.5, 0.8])
    return float(p20), float(p50), float(p80)


def extra_memory(step: Step, device: str) -> float:
    """Return by how many MiB one step raises the memory in use, at its peak; it has to have run before."""
    torchghm.kernels.cpu.gradient_memory.release_memory()  # what is kept from step to step counts as the step's
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with suppress(OSError, AttributeError):
        CDLL(None).malloc_trim(0)  # freed memory goes back to the system before it is counted
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _resident("VmRSS")
    step()
    return (_resident("VmHWM") - before) / 2**10


def settings(device: str) -> dict[str, str]:
    """Return what a timing depends on: device, threads, versions."""
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    packages = {package: version(package) for package in ("torch", "torchvision", "numba", "mmdet")}
    if device == "cuda":
        packages["triton"] = version("triton")
    return {
        "device": name,
        "threads": str(torch.get_num_threads()),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **packages,
    }


def _time(step: Step, repeats: int, device: str) -> float:
    if device == "cuda":
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(repeats):
            step()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / repeats
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - started) * 1e3 / repeats


def _resident(field_name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field_name}:"))


def processor() -> str:
    """Return the name of the processor's model."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
