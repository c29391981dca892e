"""Peers on cross-validated predictions: `python -m benchmarks.review.folds SET=DATA OUT --recipe FILE`.

The training images are divided into folds, and a model is trained without each of them; every image is then judged by
the model that did not see its labels. ObjectLab's authors recommend it, at the price of a training a fold. Printed are
the peers' figures in the form of `python -m benchmarks.review`, means over seeds.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.review.__main__ import best_thresholds, table_lines
from benchmarks.review.cases import peers
from benchmarks.review.figures import Figures, figures
from benchmarks.review.truth import load_truth, noise_rate
from torchghm.data import DetectionData
from torchghm.data.writing.conversion import write_data
from torchghm.review.agreement import Detections, agreement
from torchghm.training import Recipe, load_recipe, train
from torchghm.training.evaluation.label_review import detect
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.recipe_data import load_recipe_data, with_boxes
from torchghm.training.run_folder import checkpoint_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Train a model a fold and seed, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review.folds", description=__doc__)
    parser.add_argument("place", metavar="SET=DATA", help="a noisy copy that `torchghm data noise` made")
    parser.add_argument("out", type=Path, help="folder for the folds and their runs")
    parser.add_argument("--recipe", required=True, help="name or file")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args(arguments)
    name, _, folder = options.place.rpartition("=")
    recipe = load_recipe(options.recipe)
    data = load_recipe_data(folder, recipe.data)
    records = with_boxes(data, "train")
    rows: dict[str, list[Figures]] = defaultdict(list)
    for seed in options.seeds:
        place = options.out / f"seed-{seed}"
        seen = held_out_detections(data, recipe.with_values({"seed": seed}), options.folds, place)
        found = agreement(records, seen)
        truth = load_truth(Path(folder), records, found)
        for peer, scores in peers(records, seen, None, found).items():
            rows[peer].append(figures(scores, truth))
    means = best_thresholds({peer: np.mean(of, axis=0).tolist() for peer, of in rows.items()})
    means = {f"{peer} ({options.folds} folds)": numbers for peer, numbers in means.items()}
    print("\n".join(table_lines({(name, noise_rate(Path(folder))): means})))


def held_out_detections(data: DetectionData, recipe: Recipe, folds: int, out: Path) -> list[Detections]:
    """Return what is detected in each training image by a model that was trained without its fold.

    Arguments:
        data: with a split `train`.
        recipe: of each training; its seed draws the folds, too.
        folds: how many.
        out: folder for the data and the run of each fold.
    """
    records = with_boxes(data, "train")
    fold_of = np.random.default_rng(recipe.seed).permutation(len(records)) % folds
    seen: dict[int, Detections] = {}
    for fold in range(folds):
        kept, left_out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        part = replace(data, splits={**data.splits, "train": records.take(kept)})
        folder, run = out / f"fold-{fold}" / "data", out / f"fold-{fold}" / "run"
        write_data(part, folder, to="coco")
        train(folder, recipe=recipe, out=run, progress=False)
        found = detect(load_checkpoint(checkpoint_of(run)), records.take(left_out), torch.device("cpu"))
        seen.update(zip(left_out.tolist(), found, strict=True))
    return [seen[image] for image in range(len(records))]


if __name__ == "__main__":
    main()
