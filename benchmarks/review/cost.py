"""Cost of watching every label: `python -m benchmarks.review.cost [--seconds 60]`.

A training step (forward, backward, AdamW) of `finetune`'s RetinaNet on BCCD's number of objects, with the memory and
without it in turns, in process time; random images, and weights as they begin.
"""

from __future__ import annotations

import argparse

import torch

import torchghm
from benchmarks.speed.measure import Step, process_times, processor, quantiles
from torchghm.detection import build_detector, harmonize
from torchghm.review import LabelMemory

IMAGES, OBJECTS, CLASSES, HEIGHT, WIDTH = 4, 14, 3, 192, 256


def steps() -> dict[str, Step]:
    """Return a step without the memory, and the same step with it."""
    detector = build_detector(
        num_classes=CLASSES,
        backbone="timm/tf_efficientnet_lite0",
        pyramid_channels=96,
        image_size=(HEIGHT, WIDTH),
    )
    harmonize(detector, torchghm.GHMCLoss())
    memory = LabelMemory(IMAGES * OBJECTS, IMAGES, epochs=3)
    memory.watch(detector)
    watching = detector.observer
    optimizer = torch.optim.AdamW(detector.parameters(), lr=0.0)
    images = [torch.rand(3, HEIGHT, WIDTH) for _ in range(IMAGES)]
    corner = torch.rand(IMAGES, OBJECTS, 2) * torch.tensor([WIDTH - 40.0, HEIGHT - 40.0])
    boxes = torch.cat([corner, corner + 10 + 30 * torch.rand(IMAGES, OBJECTS, 2)], dim=2)
    targets = [
        {
            "boxes": boxes[i],
            "labels": torch.randint(CLASSES, (OBJECTS,)),
            "annotations": torch.arange(OBJECTS) + i * OBJECTS,
            "index": torch.tensor(i),
            "frame_boxes": torch.tensor([[0, 0, WIDTH / 2, HEIGHT / 2], [0, 0, WIDTH / 4, HEIGHT / 4]]),
        }
        for i in range(IMAGES)
    ]

    def step(watched: bool) -> None:
        detector.observer = watching if watched else None
        optimizer.zero_grad()
        sum(detector(images, targets).values()).backward()
        optimizer.step()

    return {"without": lambda: step(False), "with": lambda: step(True)}


def main() -> None:
    """Print a line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review.cost", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"{processor()}, torch {torch.__version__}, one thread")
    times = process_times(steps(), options.seconds)
    parts = sorted(after / before - 1 for before, after in zip(times["without"], times["with"], strict=True))
    for name, of_name in times.items():
        low, middle, high = quantiles(of_name)
        print(f"{name} the memory: {middle:.1f} ms ({low:.1f} to {high:.1f}), {len(of_name)} steps")
    low, middle, high = quantiles(parts)
    print(f"the memory takes {100 * middle:.1f} % of a step, in pairs of steps ({100 * low:.1f} to {100 * high:.1f})")


if __name__ == "__main__":
    main()
