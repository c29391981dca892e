"""``python -m benchmarks.calibration RUN... --data DIR``: what a detector's scores are worth after each loss.

A score of 0.7 should be right seven times in ten. A loss that lifts easy negatives or lets positives sink towards 0.5
may rank detections as well as another one, and still leave no threshold that a user could keep.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np

from torchghm.results.diagnosis import THRESHOLDS
from torchghm.training.evaluation.diagnosis.calibration import reliability
from torchghm.training.evaluation.diagnosis.matching import Judged, judge, match_image
from torchghm.training.evaluation.diagnosis.thresholds import best_threshold, precision_recall
from torchghm.training.evaluation.evaluate import evaluate_records
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.recipe_data import load_recipe_data, with_boxes
from torchghm.training.run_folder import checkpoint_of


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
        print(f"| {run} | {' | '.join(table_cells(judge_run(run, arguments.data, arguments.split)))} |", flush=True)


def judge_run(run: Path, data: Path, split: str) -> Judged:
    """Detect in the images of a split, and say which detections are right."""
    saved = load_checkpoint(checkpoint_of(run))
    records = with_boxes(load_recipe_data(data, saved.recipe.data), split)
    _, images = evaluate_records(saved.module(), records)
    return judge([match_image(image) for image in images], len(saved.classes))


def table_cells(judged: Judged) -> list[str]:
    """Return the cells of a run's row after its name."""
    f1 = precision_recall(judged.scores, judged.right, int(judged.objects.sum())).f1
    best = best_threshold(f1)
    return [
        f"{reliability(judged.scores, judged.right).error:.3f}",
        *(
            f"{np.median(part):.2f}" if part.size else ""
            for part in (judged.scores[judged.right], judged.scores[~judged.right])
        ),
        "" if best is None else f"{f1.max():.3f}",
        f"{f1[THRESHOLDS.index(0.5)]:.3f}",
        "" if best is None else f"{best:.2f}",
    ]


if __name__ == "__main__":
    main()
