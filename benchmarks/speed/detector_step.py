"""Cost of the classification loss within a RetinaNet's training step, ours against torchvision's focal loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

import torchghm
from benchmarks.speed.measure import Row, Step, extra_memory, quantiles, timed
from torchghm.detection import HarmonizedRetinaNet, build_detector, detection_examples, harmonize
from torchghm.detection.examples.scope import classification_loss

CLASSES = 91
SETUPS = (((240, 320), 4), ((800, 1066), 2))
"""Height and width in pixels, and images."""
OBJECTS = 8


class Batch(NamedTuple):
    """Arguments that a detector is called with."""

    images: list[Tensor]
    targets: list[dict[str, Tensor]]


def detector_step(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """ResNet-18 from scratch: a whole step (forward, backward, SGD), and the classification loss alone within it."""
    for (height, width), images in SETUPS if scale == 1 else SETUPS[:1]:
        inputs = random_batch(height, width, images, device)
        theirs, ours = _model(height, width).to(device), _model(height, width)
        harmonize(ours, torchghm.GHMCLoss(), torchghm.GHMRLoss(), background_channel=True).to(device)
        numbers = detection_examples(ours, *inputs).logits.numel()
        whole = {"torchvision, focal": training_step(theirs, inputs), "GHM-C + GHM-R": training_step(ours, inputs)}
        alone = {"torchvision, focal": _loss_of(theirs, inputs), "GHM-C + GHM-R": _loss_of(ours, inputs)}
        for part, steps in (("step", whole), ("classification loss alone", alone)):
            name = f"detector, {height} x {width}, batch {images}: {part}"
            for candidate, times in timed(steps, seconds=seconds, device=device, least_runs=3).items():
                memory = extra_memory(steps[candidate], device)
                yield Row(name, candidate, numbers, 30, quantiles(times), len(times), memory)


def random_batch(height: int, width: int, images: int, device: str) -> Batch:
    """Images of noise, each with a few objects."""
    generator = torch.Generator().manual_seed(0)
    targets = []
    for _ in range(images):
        corner = torch.rand(OBJECTS, 2, generator=generator) * torch.tensor([width, height]) * 0.7
        size = torch.rand(OBJECTS, 2, generator=generator) * torch.tensor([width, height]) * 0.2 + 16
        labels = torch.randint(1, CLASSES, (OBJECTS,), generator=generator)
        targets.append({"boxes": torch.cat([corner, corner + size], 1).to(device), "labels": labels.to(device)})
    return Batch([torch.rand(3, height, width, generator=generator).to(device) for _ in range(images)], targets)


def _model(height: int, width: int) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = build_detector(num_classes=CLASSES, backbone="resnet18", image_size=(height, width))
    return model.train()


def training_step(model: nn.Module, inputs: Batch) -> Step:
    """Forward, backward and SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)

    def run() -> None:
        sum(model(*inputs).values()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def _loss_of(model: Any, inputs: Batch) -> Step:
    """The classification loss of the model's own logits, and the gradient by them."""
    with torch.no_grad():
        batch, targets = model.transform(*inputs)
        features = list(model.backbone(batch.tensors).values())
        head = model.head(features)
        anchors = model.anchor_generator(batch, features)
    matched = [
        model.proposal_matcher(box_iou(target["boxes"], image_anchors))
        for target, image_anchors in zip(targets, anchors, strict=True)
    ]
    logits = head["cls_logits"].requires_grad_()

    def run() -> None:
        if isinstance(model, HarmonizedRetinaNet):
            examples = model.examples(targets, head, anchors, matched)
            loss = classification_loss(cast(nn.Module, model.cls_loss), examples)
        else:
            loss = model.head.classification_head.compute_loss(targets, head, matched)
        torch.autograd.grad(loss, logits)

    return run
