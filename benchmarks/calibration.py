"""``python -m benchmarks.calibration RUN... --data DIR``: what a detector's scores are worth after each loss.

A score of 0.7 should be right seven times in ten. A loss that lifts easy negatives or lets positives sink towards 0.5
may rank detections as well as another one, and still leave no threshold that a user could keep.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from torchghm.training.evaluation.evaluate import evaluate_records
from torchghm.training.loop.average_precision import SeenImage
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.recipe_data import load_recipe_data, with_boxes
from torchghm.training.run_folder import checkpoint_of

OVERLAP = 0.5
"""Intersection over union from which a detection is right."""
CELLS = 10
"""Of the scores, for the calibration error."""


class Judged(NamedTuple):
    """Scores of the detections, which of them are right, and how many objects there were."""

    scores: Tensor
    right: Tensor
    objects: int


def main() -> None:
    """Print a Markdown table, a row for every run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder or checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", default="test")
    arguments = parser.parse_args()
    print(f"`{shlex.join(['python', '-m', 'benchmarks.calibration', *sys.argv[1:]])}`\n")
    print("| run | calibration error | median score, right | wrong | F1, best threshold | at 0.5 | best threshold |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for run in arguments.runs:
        judged = judge_run(run, arguments.data, arguments.split)
        right, wrong = judged.scores[judged.right], judged.scores[~judged.right]
        best, threshold = best_f1(judged)
        cells = (
            f"{calibration_error(judged.scores, judged.right):.3f}",
            *(f"{part.median():.2f}" if part.numel() else "" for part in (right, wrong)),
            f"{best:.3f}",
            f"{f1(judged, 0.5):.3f}",
            f"{threshold:.2f}",
        )
        print(f"| {run} | {' | '.join(cells)} |", flush=True)


def judge_run(run: Path, data: Path, split: str) -> Judged:
    """Detect in the images of a split, and say which detections are right."""
    saved = load_checkpoint(checkpoint_of(run))
    records = with_boxes(load_recipe_data(data, saved.recipe.data), split)
    _, images = evaluate_records(saved.module(), records)
    judged = [judge_image(image) for image in images]
    return Judged(
        torch.cat([part.scores for part in judged]),
        torch.cat([part.right for part in judged]),
        sum(part.objects for part in judged),
    )


def judge_image(image: SeenImage) -> Judged:
    """Give every detection, from the highest score down, the object of its class that it overlaps most with."""
    order = image.detections["scores"].argsort(descending=True, stable=True)
    boxes, labels = image.detections["boxes"][order], image.detections["labels"][order]
    real = ~image.target["iscrowd"].bool()
    objects, classes = image.target["boxes"][real], image.target["labels"][real]
    overlap = box_iou(boxes, objects).where(labels[:, None] == classes, 0.0)
    right = torch.zeros(len(order), dtype=torch.bool)
    for detection in range(len(order) if len(objects) else 0):
        largest, found = overlap[detection].max(0)
        if largest >= OVERLAP:
            right[detection] = True
            overlap[:, found] = 0.0  # found: the next detection of it is wrong
    return Judged(image.detections["scores"][order], right, len(objects))


def calibration_error(scores: Tensor, right: Tensor) -> float:
    """Expected calibration error: the mean over detections of |precision - mean score| in their tenth of [0, 1]."""
    cell = (scores * CELLS).long().clamp(0, CELLS - 1)
    gap = torch.zeros(CELLS, dtype=torch.float64).index_add_(0, cell, right.double() - scores.double())
    return float(gap.abs().sum() / max(len(scores), 1))


def f1(judged: Judged, threshold: float) -> float:
    """F1 of the detections with at least this score."""
    kept = judged.right[judged.scores >= threshold]
    return float(2 * kept.sum() / max(len(kept) + judged.objects, 1))


def best_f1(judged: Judged) -> tuple[float, float]:
    """The largest F1 of all thresholds that are whole hundredths, and that threshold."""
    return max((f1(judged, hundredth / 100), hundredth / 100) for hundredth in range(5, 100))


if __name__ == "__main__":
    main()
