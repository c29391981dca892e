"""``python -m benchmarks.soak``: does memory grow? `torchghm train` for 2,000 steps, watched from outside."""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.speed.measure import settings
from torchghm.data import write_scenes

SECONDS_BETWEEN_SAMPLES = 0.2
STEPS = 2000
IMAGES = 124
"""In all: 100 to train on, as many steps an epoch."""
LARGEST_GROWTH = 8.0
"""MiB from the second quarter of the run to the last one that pass for the allocator's swing: 8 KiB a step."""
RECIPE = (
    "loss.box=ghmr",
    "data.image_size=[64,64]",
    "data.batch_size=1",
    "data.workers=1",
    "data.scale_jitter=[0.7,1.3]",
    "model.pyramid_channels=64",
    "model.anchor_sizes=[8,16,32,64,128]",
    "optimizer.name=sgd",
    "trainer.accelerator=cpu",
    "trainer.checkpoint_steps=50",
)
"""GHM-C and GHM-R on the smallest detector; images of changing shapes, a loader of its own, checkpoints all along."""
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc gives back what is freed: else its heaps fill with gaps for 2,700 steps, and hide a leak or look like one."""


class Epoch(NamedTuple):
    """Resident memory over an epoch, its validation and its checkpoints."""

    step: int
    training: float
    """MiB of the training process, the median of the samples."""
    peak: float
    loader: float
    """MiB of the process that loads images, likewise."""


def main() -> None:
    """Train, watch, and write down what was seen; exit with 1 if memory grew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the optimiser, a multiple of 100, at least 800")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder")
    arguments = parser.parse_args()
    if arguments.steps < 800 or arguments.steps % 100:
        parser.error(f"argument --steps: expected a multiple of 100, at least 800, but got {arguments.steps}")
    started = time.perf_counter()
    epochs = watched_training(arguments.steps)
    seconds = time.perf_counter() - started
    growth = growth_of([epoch.training for epoch in epochs])
    loader_growth = growth_of([epoch.loader for epoch in epochs])
    print(f"growth: {growth:+.1f} MiB, the loader's {loader_growth:+.1f} MiB")
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = f"{datetime.date.today().isoformat()}-soak"
    if arguments.steps != STEPS:
        stem += f"-{arguments.steps}"
    path = arguments.out / f"{stem}.md"
    path.write_text(report(epochs, growth, loader_growth, seconds), encoding="utf-8")
    print(f"written: {path}")
    sys.exit(max(growth, loader_growth) > LARGEST_GROWTH)


def watched_training(steps: int) -> list[Epoch]:
    """Train in a process, and return its memory over every epoch."""
    with tempfile.TemporaryDirectory() as place:
        data = write_scenes(Path(place, "scenes"), images=IMAGES, image_size=(80, 100), test_fraction=0.1)
        values = [*RECIPE, f"trainer.epochs={steps // 100}"]
        command = [sys.executable, "-m", "torchghm", "train", "--data", str(data), "--out", f"{place}/run"]
        command += [argument for value in values for argument in ("--set", value)]
        epochs: list[Epoch] = []
        training, loader = [], []
        environment = os.environ | ALLOCATOR
        with subprocess.Popen([*command, "--no-progress"], stdout=subprocess.DEVNULL, env=environment) as process:
            while process.poll() is None:
                time.sleep(SECONDS_BETWEEN_SAMPLES)
                try:
                    training.append(resident(process.pid))
                    loader.append(sum(map(resident, children(process.pid))))
                except OSError:  # one has just ended
                    continue
                finished = finished_steps(Path(place, "run", "metrics.csv"))
                if len(finished) > len(epochs):
                    epoch = Epoch(finished[-1], statistics.median(training), max(training), statistics.median(loader))
                    print(f"step {epoch.step}: {epoch.training:.0f} MiB, at most {epoch.peak:.0f}", flush=True)
                    epochs.append(epoch)
                    training, loader = [], []
        if process.returncode:
            sys.exit(f"torchghm train ended with exit code {process.returncode}")
    return epochs


def resident(process: int) -> float:
    """Return a process's resident memory in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def finished_steps(metrics: Path) -> list[int]:
    """Return the step at the end of each epoch so far."""
    if not metrics.exists():
        return []
    with metrics.open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def growth_of(memory: list[float]) -> float:
    """Return how far the last quarter lies above the second one; the first is warm-up."""
    quarter = len(memory) // 4
    return statistics.median(memory[-quarter:]) - statistics.median(memory[quarter : 2 * quarter])


def report(epochs: list[Epoch], growth: float, loader_growth: float, seconds: float) -> str:
    """Return the result as Markdown."""
    command = shlex.join(["python", "-m", "benchmarks.soak", *sys.argv[1:]])
    about = [f"- {name}: {value}" for name, value in settings("cpu").items()]
    lines = [
        "# Memory over a long run",
        "",
        f"`{command}`: `torchghm train` with GHM-C + GHM-R for {epochs[-1].step:,} steps, with an evaluation",
        f"every 100 and a checkpoint every 50, in {seconds:.0f} s. Resident memory, sampled from outside every "
        f"{SECONDS_BETWEEN_SAMPLES} s.",
        "",
        f"From the second quarter of the run to the last: **{growth:+.1f} MiB** (the process that loads images: "
        f"{loader_growth:+.1f} MiB).",
        "",
        *about,
        "",
        "| steps | median MiB | peak MiB | loader, median MiB |",
        "|---:|---:|---:|---:|",
        *(f"| {epoch.step} | {epoch.training:.0f} | {epoch.peak:.0f} | {epoch.loader:.0f} |" for epoch in epochs),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
