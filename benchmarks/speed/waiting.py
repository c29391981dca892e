"""Steps a second on all cores, alone and beside other programs, by how long threads wait for each other.

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


def start(environment: dict[str, str], seconds: float = SECONDS) -> subprocess.Popen[str]:
    """Start a process with these variables that prints its `steps_a_second`."""
    clean = {name: value for name, value in os.environ.items() if name not in (openmp.VARIABLE, "OMP_WAIT_POLICY")}
    program = f"from benchmarks.speed.waiting import steps_a_second; print(steps_a_second({seconds}))"
    return subprocess.Popen(
        [sys.executable, "-c", program], env={**clean, **environment}, stdout=subprocess.PIPE, text=True
    )


def result(process: subprocess.Popen[str]) -> float:
    """Return what a process prints when it is done."""
    return float(process.communicate()[0])


def main() -> None:
    """Print the table."""
    print(f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}, steps a second\n")
    print("| threads | alone | one core taken | two at once, each |\n|---|---:|---:|---:|")
    for name, environment in SETTINGS.items():
        alone = result(start(environment))
        taker = subprocess.Popen(["taskset", "-c", "0", sys.executable, "-c", "while True: pass"])
        try:
            beside = result(start(environment))
        finally:
            taker.kill()
        twins = [result(process) for process in [start(environment), start(environment)]]
        print(f"| {name} | {alone:.1f} | {beside:.1f} | {sum(twins) / 2:.1f} |", flush=True)


if __name__ == "__main__":
    main()
