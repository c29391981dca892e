"""What `harmonize` costs a training step of each detector, against the detector's own losses."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

import torchghm
from benchmarks.detector_step import CLASSES, random_batch, training_step
from benchmarks.measure import Row, extra_memory, quantiles, timed
from torchghm.detection import DETECTORS, build_detector, detection_examples, harmonize
from torchghm.detection.build import DetectorName, has_option

SIZE = (160, 213)
"""Height and width in pixels; the SSDs scale to sizes of their own."""
IMAGES = 4


def detectors(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """ResNet-18 where there is a choice, from scratch: forward, backward and SGD."""
    inputs = random_batch(*SIZE, IMAGES, device)
    for name in DETECTORS:
        own, ours = _model(name).to(device), _model(name)
        harmonize(ours, torchghm.GHMCLoss(), torchghm.GHMRLoss()).to(device)
        numbers = detection_examples(ours, *inputs).logits.numel()
        steps = {"own losses": training_step(own, inputs), "GHM-C + GHM-R": training_step(ours, inputs)}
        for candidate, times in timed(steps, seconds=scale * seconds, device=device, least_runs=5).items():
            memory = extra_memory(steps[candidate], device)
            yield Row(f"step of {name}", candidate, numbers, 30, quantiles(times), len(times), memory)


def _model(name: DetectorName) -> nn.Module:
    torch.manual_seed(0)
    chosen = {"backbone": "resnet18", "image_size": SIZE}
    options = {option: value for option, value in chosen.items() if has_option(name, option)}
    model: nn.Module = build_detector(name, num_classes=CLASSES, prior=0.01, **options)
    return model.train()
