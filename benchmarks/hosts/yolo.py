"""``python -m benchmarks.hosts.yolo NAME=FOLDER ...``: YOLO from scratch in Ultralytics, its own loss and GHM-C.

The targets of its assigner are soft: "relative" measures g = |p - t| / max(t, 1 - t), the others g = |p - t|.

FOLDER is in YOLO's layout with splits train, val and test, which ``torchghm data convert FOLDER OUT --to yolo`` writes.
The weights are the host's average after the last epoch. Its settings are its own, without a validation between epochs
and with a step for every batch. Every loss starts from the same weights and sees the same batches. AP is the host's, on
the test images.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())

import torch
from torch import nn
from ultralytics import YOLO

from benchmarks.hosts.comparison import arguments_of, compare
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


def trained_scores(folder: Path, method: str, seed: int, options: Any) -> dict[str, float]:
    """Train one model from scratch; return AP and AP50 on the test images, in percent."""
    (data,), make = folder.resolve().glob("*.yaml"), METHODS[method]
    torch.manual_seed(seed)  # of the weights: the host seeds after it has built a model of a YAML file
    with tempfile.TemporaryDirectory() as results:
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
            project=results,
        )
        found = YOLO(Path(model.trainer.save_dir) / "weights" / "last.pt").val(
            data=str(data), split="test", imgsz=options.size, device="cpu", workers=0, plots=False, verbose=False,
            project=results,
        )  # fmt: skip
    return {"AP": 100 * float(found.box.map), "AP50": 100 * float(found.box.map50)}


def main() -> None:
    """Compare what the command line asks for."""
    parser = arguments_of("benchmarks.hosts.yolo", __doc__, METHODS)
    parser.add_argument("--model", default="yolo11n.yaml")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--size", type=int, default=192, help="pixels of the longer side")
    parser.add_argument("--batch", type=int, default=8)
    about = "{model}, {epochs} epochs, {size} pixels, batches of {batch}"
    compare("YOLO of Ultralytics from scratch", about, parser, trained_scores)


if __name__ == "__main__":
    main()
