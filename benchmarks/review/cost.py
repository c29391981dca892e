"""Cost of watching every label: `python -m benchmarks.review.cost [--seconds 60]`.

A training step (forward, backward, AdamW) of `finetune`'s RetinaNet with as many objects as BCCD has, on random images,
and the part of it that the memory takes; process time of one thread. To tell it from steps with and without the memory
would take thousands of steps: they differ among each other by more.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

import torchghm
from benchmarks.speed.measure import processor, quantiles
from torchghm.detection import build_detector, harmonize
from torchghm.review import LabelMemory

IMAGES, OBJECTS, CLASSES, HEIGHT, WIDTH = 4, 14, 3, 192, 256


def shares(seconds: float) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each step, and what part of it the memory took."""
    detector: Any = build_detector(
        num_classes=CLASSES,
        backbone="timm/tf_efficientnet_lite0",
        pyramid_channels=96,
        image_size=(HEIGHT, WIDTH),
    )
    harmonize(detector, torchghm.GHMCLoss())
    memory = LabelMemory(IMAGES * OBJECTS, IMAGES, epochs=3)
    memory.watch(detector)
    inside = [0.0]

    def timed_observe(*arguments: Any) -> None:
        start = time.process_time()
        memory.observe(*arguments)
        inside[0] += time.process_time() - start

    detector.observer = timed_observe
    optimizer = torch.optim.AdamW(detector.parameters())
    images = [torch.rand(3, HEIGHT, WIDTH) for _ in range(IMAGES)]
    targets = [_target(place) for place in range(IMAGES)]
    steps, parts = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(steps) < 5:
        inside[0], start = 0.0, time.process_time()
        optimizer.zero_grad()
        torch.stack([*detector(images, targets).values()]).sum().backward()
        optimizer.step()
        step = time.process_time() - start
        steps.append(1000 * step)
        parts.append(inside[0] / step)
    return steps[2:], parts[2:]  # compilation, caches, memory


def _target(place: int) -> dict[str, torch.Tensor]:
    corner = torch.rand(OBJECTS, 2) * torch.tensor([WIDTH - 40.0, HEIGHT - 40.0])
    return {
        "boxes": torch.cat([corner, corner + 10 + 30 * torch.rand(OBJECTS, 2)], dim=1),
        "labels": torch.randint(CLASSES, (OBJECTS,)),
        "annotations": torch.arange(OBJECTS) + place * OBJECTS,
        "index": torch.tensor(place),
        "frame_boxes": torch.tensor([[0, 0, WIDTH / 2, HEIGHT / 2], [0, 0, WIDTH / 4, HEIGHT / 4]]),
    }


def main() -> None:
    """Print a line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review.cost", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    steps, parts = shares(options.seconds)
    low, middle, high = quantiles(steps)
    print(f"{processor()}, torch {torch.__version__}, one thread")
    print(f"a step: {middle:.0f} ms (p20 to p80: {low:.0f} to {high:.0f}), {len(steps)} steps")
    low, middle, high = (100 * part for part in quantiles(parts))
    print(f"the memory's part of it: {middle:.2f} % ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
