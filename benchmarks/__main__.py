"""``python -m benchmarks [names]``: run the benchmarks, print their tables, keep them in ``benchmarks/results/``."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import torch

from benchmarks.speed import losses
from benchmarks.speed.detector_step import detector_step
from benchmarks.speed.detectors import detectors
from benchmarks.speed.measure import Row, settings
from benchmarks.speed.ranks import ranks
from benchmarks.speed.results_files import plot, table, write_csv, write_markdown

BENCHMARKS: dict[str, Callable[[str, float, float], Iterator[Row]]] = {
    "retinanet": losses.retinanet,
    "growth": losses.growth,
    "regions": losses.regions,
    "softmax": losses.softmax,
    "soft": losses.soft,
    "small": losses.small,
    "detector": detector_step,
    "detectors": detectors,
    "ranks": ranks,
}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch, on the CPU")
    parser.add_argument("--seconds", type=float, default=40, help="about how long to take turns in each setup")
    parser.add_argument("--scale", type=float, default=1, help="of the large sizes; below 1 for a quick look")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}: expected {', '.join(BENCHMARKS)}")
    if arguments.threads < 1:
        parser.error(f"argument --threads: expected at least 1, but got {arguments.threads}")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("argument --device: this machine has no CUDA device")
    torch.set_num_threads(arguments.threads)
    mpl.use("Agg")
    names = arguments.names or list(BENCHMARKS)
    rows: list[Row] = []
    for name in names:
        for row in BENCHMARKS[name](arguments.device, arguments.scale, arguments.seconds):
            rows.append(row)
            print(f"{row.benchmark}: {table([row])[-1]}", flush=True)
    about = settings(arguments.device)
    stem = f"{datetime.date.today().isoformat()}-{arguments.device}"
    if arguments.names:
        stem += "-" + "-".join(names)
    arguments.out.mkdir(parents=True, exist_ok=True)
    asked = {name: getattr(arguments, name) for name in ("device", "threads", "seconds", "scale")}
    options = [
        f"--{name} {value:g}" if isinstance(value, float) else f"--{name} {value}"
        for name, value in asked.items()
        if value != parser.get_default(name)
    ]
    command = " ".join(["python -m benchmarks", *arguments.names, *options])
    write_csv(arguments.out / f"{stem}.csv", rows, about)
    write_markdown(arguments.out / f"{stem}.md", rows, about, command)
    for against in ("numbers", "regions"):
        plot(arguments.out / f"{stem}-{against}.svg", rows, against=against)
    print(f"written: {arguments.out / stem}.md, .csv")


if __name__ == "__main__":
    main()
