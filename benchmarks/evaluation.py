"""``python -m benchmarks.evaluation``: average precision of many detections, beside pycocotools in the same run."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.speed.measure import quantiles, settings, timed
from torchghm.training.loop.average_precision import SeenImage, average_precision

CLASSES = 80
OBJECTS = 7
"""In an image, as in COCO."""
SIDE = 640


def main() -> None:
    """Time both, compare what they say, and write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="in an image")
    parser.add_argument("--seconds", type=float, default=60, help="about how long to take turns")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder")
    arguments = parser.parse_args()
    images = synthetic(arguments.images, arguments.detections)
    truth, results = for_pycocotools(images)
    classes = [str(label) for label in range(CLASSES)]
    ours, theirs = average_precision(images, classes).metrics["ap"], pycocotools_stats(truth, results)[0]
    times = timed(
        {
            "torchghm": lambda: average_precision(images, classes),
            "pycocotools": lambda: pycocotools_stats(truth, results),
        },
        seconds=arguments.seconds,
        device="cpu",
        least_runs=3,
    )
    middle = {name: quantiles(of_one)[1] for name, of_one in times.items()}
    lines = [
        "# Average precision beside pycocotools",
        "",
        f"`{shlex.join(['python', '-m', 'benchmarks.evaluation', *sys.argv[1:]])}`: {arguments.images:,} synthetic",
        f"images of {arguments.detections} detections and {OBJECTS} objects each, {CLASSES} classes. pycocotools has",
        "its results as one array, and its images indexed, before the clock starts.",
        "",
        f"torchghm takes **{middle['torchghm'] / middle['pycocotools']:.2f}** of pycocotools' time. "
        f"AP {ours:.6f} and {theirs:.6f}.",
        "",
        "| | seconds | p20 to p80 | runs |",
        "|---|---:|---:|---:|",
    ]
    for name, of_one in times.items():
        low, median, high = (milliseconds / 1e3 for milliseconds in quantiles(of_one))
        lines.append(f"| {name} | {median:.2f} | {low:.2f} to {high:.2f} | {len(of_one)} |")
    lines += ["", *(f"- {name}: {value}" for name, value in settings("cpu").items())]
    text = "\n".join(lines) + "\n"
    print(text)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"{datetime.date.today().isoformat()}-evaluation.md"
    path.write_text(text, encoding="utf-8")
    print(f"written: {path}")


def synthetic(images: int, detections: int) -> list[SeenImage]:
    """Objects anywhere; a tenth of the detections lie near one of them, the others anywhere."""
    generator = torch.Generator().manual_seed(0)

    def boxes(count: int) -> torch.Tensor:
        corner = torch.rand(count, 2, generator=generator) * SIDE * 0.8
        side = 8 + torch.rand(count, 2, generator=generator) ** 2 * SIDE * 0.4
        return torch.cat([corner, corner + side], 1)

    seen = []
    for _ in range(images):
        objects, labels = boxes(OBJECTS), torch.randint(CLASSES, (OBJECTS,), generator=generator)
        found, found_labels = boxes(detections), torch.randint(CLASSES, (detections,), generator=generator)
        near = torch.arange(detections // 10)
        of = near % OBJECTS
        found[near] = objects[of] + torch.randn(len(near), 4, generator=generator) * 3
        found_labels[near] = labels[of]
        scores = torch.rand(detections, generator=generator) * 0.7
        scores[near] += 0.3
        area = (objects[:, 2:] - objects[:, :2]).prod(1)
        target = {"boxes": objects, "labels": labels, "iscrowd": torch.zeros(OBJECTS, dtype=torch.int64), "area": area}
        seen.append(SeenImage({"boxes": found, "scores": scores, "labels": found_labels}, target))
    return seen


def for_pycocotools(images: list[SeenImage]) -> tuple[COCO, np.ndarray]:
    """The labels as an indexed `COCO`, the detections as rows of image, x, y, width, height, score, class."""
    annotations: list[dict[str, Any]] = []
    rows = []
    for index, image in enumerate(images):
        detections, target = image
        for box, label, area in zip(target["boxes"], target["labels"], target["area"], strict=True):
            left, top, right, bottom = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index,
                    "category_id": int(label),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": float(area),
                    "iscrowd": 0,
                }
            )
        box = detections["boxes"].double()
        rows.append(
            torch.cat(
                [
                    torch.full((len(box), 1), float(index), dtype=torch.float64),
                    box[:, :2],
                    box[:, 2:] - box[:, :2],
                    detections["scores"].double()[:, None],
                    detections["labels"].double()[:, None],
                ],
                1,
            )
        )
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": index, "width": SIDE, "height": SIDE} for index in range(len(images))],
        "annotations": annotations,
        "categories": [{"id": label, "name": str(label)} for label in range(CLASSES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth, torch.cat(rows).numpy()


def pycocotools_stats(truth: COCO, results: np.ndarray) -> list[float]:
    """By pycocotools' own evaluation: AP, AP50, AP75, AP of small, medium and large objects."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats[:6]]


if __name__ == "__main__":
    main()
