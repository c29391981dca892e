"""``python -m benchmarks.loading --data DIR``: the share of a training's time that passes in waiting for images."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from typing import Any

from lightning.pytorch import Callback, Trainer

from benchmarks.speed.measure import settings
from torchghm.training.loop.datamodule import DetectionDataModule
from torchghm.training.loop.lightning_messages import without_lightning_messages
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.recipe_data import load_recipe_data
from torchghm.training.recipes.files import load_recipe
from torchghm.training.recipes.values import read_assignments


class Clock(Callback):
    """Tells the time of a step from the time between two steps, in which the next batch is fetched."""

    def __init__(self, skipped: int) -> None:
        self.skipped = skipped
        self.within, self.between, self.ended, self.started = 0.0, 0.0, 0.0, 0.0

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self.started = time.perf_counter()
        if batch_idx > self.skipped:
            self.between += self.started - self.ended

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.ended = time.perf_counter()
        if batch_idx > self.skipped:
            self.within += self.ended - self.started


def main() -> None:
    """Train for an epoch, and print the share."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--recipe", default="bccd")
    parser.add_argument("--skip", type=int, default=5, help="steps at the start, in which loaders and kernels warm up")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the recipe")
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe, read_assignments(arguments.set))
    data = load_recipe_data(arguments.data, recipe.data)
    datamodule = DetectionDataModule(data, recipe)
    samples = datamodule.train_samples()
    count = min(200, len(datamodule.train_records))
    started = time.perf_counter()
    for index in range(count):
        samples[0, index]
    alone = count / (time.perf_counter() - started)
    module = DetectorModule(recipe, data.classes, steps_per_epoch=datamodule.steps_per_epoch)
    clock = Clock(arguments.skip)
    with without_lightning_messages(), tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=1,
            precision=recipe.trainer.precision,
            accelerator="cpu",
            devices=1,
            use_distributed_sampler=False,
            limit_val_batches=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            logger=False,
            callbacks=[clock],
            default_root_dir=folder,
        )
        trainer.fit(module, datamodule)
    steps = datamodule.steps_per_epoch - arguments.skip - 1
    print(f"`{shlex.join(['python', '-m', 'benchmarks.loading', *sys.argv[1:]])}`\n")
    print(f"{steps} steps of {recipe.data.batch_size} images, {clock.within / steps:.2f} s each; between two of them")
    print(f"{clock.between / steps * 1e3:.1f} ms: {clock.between / (clock.between + clock.within):.2%} of the time.")
    print(f"One process reads and augments {alone:.0f} images a second.\n")
    for name, value in settings("cpu").items():
        print(f"- {name}: {value}")


if __name__ == "__main__":
    main()
