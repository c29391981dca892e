"""Cost of `harmonize` in a training step of each detector, against the detector's own losses.

Steps scatter by more than a loss takes, so that the losses are also timed alone: all of a one-stage detector's, and of
two stages those of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

import torchghm
from benchmarks.speed.detector_step import CLASSES, Batch, random_batch, training_step
from benchmarks.speed.measure import Row, Step, extra_memory, quantiles, timed
from torchghm.detection import DETECTORS, build_detector, detection_examples, harmonize
from torchghm.detector_names import DetectorName, has_option

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
        models = {"own losses": own, "GHM-C + GHM-R": ours}
        for part, step in (("step", training_step), ("losses", _losses_alone)):
            steps = {candidate: step(model, inputs) for candidate, model in models.items()}
            for candidate, times in timed(steps, seconds=scale * seconds, device=device, least_runs=5).items():
                memory = extra_memory(steps[candidate], device)
                yield Row(f"{part} of {name}", candidate, numbers, 30, quantiles(times), len(times), memory)


def _model(name: DetectorName) -> nn.Module:
    torch.manual_seed(0)
    chosen = {"backbone": "resnet18", "image_size": SIZE}
    options = {option: value for option, value in chosen.items() if has_option(name, option)}
    model: nn.Module = build_detector(name, num_classes=CLASSES, prior=0.01, **options)
    return model.train()


def _losses_alone(model: Any, inputs: Batch) -> Step:
    """The losses of what the model put out, and the gradient by that."""
    stage = model.rpn if hasattr(model, "rpn") else model
    compute_loss, seen = stage.compute_loss, []

    def remember(*arguments: Any) -> Any:
        seen.extend(arguments)
        return compute_loss(*arguments)

    stage.compute_loss = remember
    model(*inputs)
    del stage.compute_loss  # the class's again
    if stage is model:
        targets, outputs, *rest = seen
        outputs = {name: output.detach().requires_grad_() for name, output in outputs.items()}
        arguments, leaves = (targets, outputs, *rest), list(outputs.values())
    else:
        leaves = [output.detach().requires_grad_() for output in seen[:2]]
        arguments = (*leaves, *seen[2:])

    def run() -> None:
        losses = compute_loss(*arguments)
        torch.autograd.grad(sum(losses.values() if isinstance(losses, dict) else losses), leaves)

    return run
