"""``python -m benchmarks.hosts.yolo NAME=FOLDER ...``: YOLO from scratch in Ultralytics, its own loss and GHM-C.

The targets of its assigner are soft: "relative" measures g = |p - t| / max(t, 1 - t), the others g = |p - t|.

FOLDER is in YOLO's layout with splits train, val and test, which ``torchghm data convert FOLDER OUT --to yolo`` writes.
The weights are the host's average after the last epoch. Its settings are its own, without a validation between epochs
and with a step for every batch. Every loss starts from the same weights and sees the same batches. AP is the host's, on
the test images.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())

import torch
from torch import nn
from ultralytics import YOLO

from benchmarks.hosts.paired_table import paired_table
from benchmarks.speed.measure import settings
from torchghm import GHMCLoss
from torchghm.integrations.soft_targets import RelativeGHMCLoss
from torchghm.integrations.ultralytics import trainer

METHODS: dict[str, Callable[[], nn.Module] | None] = {
    "own": None,
    "GHM-C": GHMCLoss,
    "GHM-C as published": GHMCLoss.published,
    "GHM-C relative": RelativeGHMCLoss,
    "GHM-C relative as published": RelativeGHMCLoss.published,
}
"""None for the host's own binary cross entropy."""


def trained_scores(data: Path, make: Callable[[], nn.Module] | None, seed: int, options: Any) -> dict[str, float]:
    """Train one model from scratch; return AP and AP50 on the test images, in percent."""
    torch.manual_seed(seed)  # of the weights: the host seeds after it has built a model of a YAML file
    with tempfile.TemporaryDirectory() as folder:
        model = YOLO(options.model)
        model.train(
            trainer=None if make is None else trainer(make()),
            data=str(data),
            epochs=options.epochs,
            imgsz=options.size,
            batch=options.batch,
            nbs=options.batch,  # every batch is a step
            seed=seed,
            device="cpu",
            workers=0,
            amp=False,
            val=False,
            plots=False,
            verbose=False,
            cache="ram",
            project=folder,
        )
        found = YOLO(Path(model.trainer.save_dir) / "weights" / "last.pt").val(
            data=str(data), split="test", imgsz=options.size, device="cpu", workers=0, plots=False, verbose=False,
            project=folder,
        )  # fmt: skip
    return {"AP": 100 * float(found.box.map), "AP50": 100 * float(found.box.map50)}


def main() -> None:
    """Train the methods with every seed on every data set; print the tables, and write them with ``--out``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts.yolo", description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER", help="a data set's name and its folder")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["own", "GHM-C"], metavar="METHOD")
    parser.add_argument("--model", default="yolo11n.yaml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--size", type=int, default=192, help="pixels of the longer side")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args()
    started = time.perf_counter()
    lines = []
    for one in options.sets:
        name, separator, folder = one.partition("=")
        if not separator:
            parser.error(f"expected NAME=FOLDER, but got {one!r}")
        (data,) = Path(folder).resolve().glob("*.yaml")
        scores: dict[str, list[dict[str, float]]] = {method: [] for method in options.methods}
        for seed in range(options.seeds):
            for method in options.methods:
                scores[method].append(trained_scores(data, METHODS[method], seed, options))
                spent = time.perf_counter() - started
                print(
                    f"{name}, seed {seed}, {method}: {scores[method][-1]}, {spent:.0f} s", file=sys.stderr, flush=True
                )
        lines += ["", f"## {name}", "", *paired_table(scores)]
    head = [
        f"# {options.model.removesuffix('.yaml')} of Ultralytics from scratch",
        "",
        f"`python -m benchmarks.hosts.yolo`, {options.epochs} epochs, {options.size} pixels, batches of "
        f"{options.batch}, {options.seeds} seeds. AP in percent on the test images, whose labels are right. Paired "
        "differences with 95 % intervals.",
        "",
        *(f"- {key}: {value}" for key, value in settings("cpu").items()),
    ]
    text = "\n".join([*head, *lines]) + "\n"
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
