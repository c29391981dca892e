"""Steps a second on all cores, idle and beside a program that keeps one core busy, by how long threads wait.

python -m benchmarks.speed.waiting
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import torch
from torch import nn

from benchmarks.speed.measure import processor
from torchghm import openmp

SETTINGS: dict[str, dict[str, str]] = {
    "as torch has it": {},
    f"{openmp.VARIABLE}={openmp.VALUE} (the command line's)": {openmp.VARIABLE: openmp.VALUE},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}
SECONDS = 10.0


def steps_a_second(seconds: float) -> float:
    """Return how many forward and backward passes of twenty small convolutions fit into a second."""
    layers = [nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()) for _ in range(20)]
    model, images = nn.Sequential(*layers), torch.randn(4, 32, 48, 64)
    model(images).sum().backward()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        model(images).sum().backward()
        steps += 1
    return steps / (time.perf_counter() - start)


def measure(environment: dict[str, str], seconds: float = SECONDS) -> float:
    """Return `steps_a_second` of a process with these variables."""
    clean = {name: value for name, value in os.environ.items() if name not in (openmp.VARIABLE, "OMP_WAIT_POLICY")}
    command = [sys.executable, "-c", f"from benchmarks.speed.waiting import *; print(steps_a_second({seconds}))"]
    return float(subprocess.run(command, env={**clean, **environment}, capture_output=True, check=True).stdout)


def main() -> None:
    """Print the table."""
    print(f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}, steps a second\n")
    print("| threads | idle | one core taken |\n|---|---:|---:|")
    for name, environment in SETTINGS.items():
        idle = measure(environment)
        # On one core alone: two programs of one thread would share the machine by themselves.
        busy = subprocess.Popen(["taskset", "-c", "0", sys.executable, "-c", "while True: pass"])
        try:
            beside = measure(environment)
        finally:
            busy.kill()
        print(f"| {name} | {idle:.1f} | {beside:.1f} |", flush=True)


if __name__ == "__main__":
    main()
