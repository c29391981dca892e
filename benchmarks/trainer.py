"""Images a second of ``torchghm train`` beside a plain loop with the same detector, images, losses and optimiser.

python -m benchmarks.trainer --data DIR
"""

from __future__ import annotations

import argparse
import csv
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from benchmarks.speed.measure import settings
from torchghm.data import DetectionData, collate
from torchghm.training.loop.data_order import EpochBatches
from torchghm.training.loop.datamodule import DetectionDataModule, to_floats
from torchghm.training.loop.recipe_data import load_recipe_data
from torchghm.training.recipes.detector import build_from_recipe
from torchghm.training.recipes.files import load_recipe
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.values import read_assignments
from torchghm.training.run import train


def of_the_trainer(data: DetectionData, recipe: Recipe) -> float:
    """Return the images a second of the second epoch, as a run's metrics.csv has them."""
    with tempfile.TemporaryDirectory() as folder:
        train(data, recipe=recipe, out=Path(folder, "run"), progress=False)
        with Path(folder, "run", "metrics.csv").open() as lines:
            return float(list(csv.DictReader(lines))[1]["images_per_second"])


def of_a_plain_loop(data: DetectionData, recipe: Recipe) -> float:
    """Return the images a second of the second epoch of a loop that does what has to be done, and nothing else."""
    module = DetectionDataModule(data, recipe)
    images = len(module.train_records)
    epoch = 0
    batches = EpochBatches(images, recipe.data.batch_size, lambda: epoch, seed=recipe.seed)
    loader = DataLoader(
        module.train_samples(), batch_sampler=batches, num_workers=recipe.data.workers or 0, collate_fn=collate
    )
    torch.manual_seed(recipe.seed)
    detector, losses = build_from_recipe(recipe, len(data.classes), steps=2 * len(batches))
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.optimizer.lr, weight_decay=recipe.optimizer.weight_decay, fused=True
    )
    detector.train()
    started = 0.0
    for number in range(2):
        epoch = number
        started = time.perf_counter()
        for pictures, targets in loader:
            terms = detector(to_floats(pictures), targets)
            loss = losses.cls_weight * sum(terms[name] for name in detector.cls_terms)
            loss = loss + losses.box_weight * sum(terms[name] for name in detector.box_terms)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, recipe.optimizer.gradient_clip or float("inf"))
            optimizer.step()
    return len(batches) * recipe.data.batch_size / (time.perf_counter() - started)


def main() -> None:
    """Print both rates and their ratio, turn by turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainer", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--recipe", default="finetune")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the recipe")
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe, read_assignments(arguments.set)).with_values({"trainer.epochs": 2})
    data = load_recipe_data(arguments.data, recipe.data)
    print(f"`{shlex.join(['python', '-m', 'benchmarks.trainer', *sys.argv[1:]])}`\n")
    for name, value in settings("cpu").items():
        print(f"- {name}: {value}")
    print("\n| turn | plain loop | `torchghm train` | ratio |\n|---:|---:|---:|---:|")
    ratios = []
    for turn in range(arguments.turns):
        measures = [of_a_plain_loop, of_the_trainer]
        rates = {measure: measure(data, recipe) for measure in (measures if turn % 2 else measures[::-1])}
        ratios.append(rates[of_the_trainer] / rates[of_a_plain_loop])
        row = f"{rates[of_a_plain_loop]:.2f} | {rates[of_the_trainer]:.2f} | {ratios[-1]:.3f}"
        print(f"| {turn + 1} | {row} |", flush=True)
    print(f"\nMedian of the ratios: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
