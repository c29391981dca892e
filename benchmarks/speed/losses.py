"""The losses alone: RetinaNet's shape, growth with N and with M, softmax, soft targets, small inputs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from tests.oracles.mmdetection import load_ghm_losses

import torchghm
from benchmarks.speed import candidates
from benchmarks.speed.measure import Row, Step, extra_memory, quantiles, timed

RETINANET = 32_000_000
"""Logits of [400000, 80]: four images of 800 x 1333."""
GPU_LOGITS = 250_000_000
GROWTH = (1_000, 10_000, 100_000, 1_000_000, 4_000_000, 16_000_000, 64_000_000)
REGIONS = (1, 10, 30, 100, 300, 1000)
MANY_CLASSES = (65_536, 1_000)
FEW_CLASSES = 9


def retinanet(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """[400000, 80] logits, 1 % of the rows positive, every peer."""
    for dtype in (torch.float32, torch.bfloat16) if device == "cuda" else (torch.float32,):
        logits = int((GPU_LOGITS if device == "cuda" else RETINANET) * scale)
        inputs, targets = candidates.batch(logits, device, dtype)
        steps = candidates.sigmoid(inputs, targets)
        name = "retinanet" if dtype == torch.float32 else "retinanet, bfloat16"
        yield from _rows(name, steps, inputs.numel(), 30, device, seconds, memory=True)


def growth(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """From a thousand logits to 6.4e7."""
    for logits in GROWTH:
        inputs, targets = candidates.batch(int(logits * (scale if logits > 1_000_000 else 1)), device)
        steps = candidates.sigmoid(inputs, targets, loops=False, compiled=False)
        yield from _rows("growth", steps, inputs.numel(), 30, device, seconds / 4)


def regions(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """A million logits, from one region to a thousand; mmdetection loops over them."""
    inputs, targets = candidates.batch(int(1_000_000 * scale), device)
    dense = candidates.one_hot(targets, inputs.dtype)
    weight, theirs = torch.ones_like(dense), load_ghm_losses()
    for bins in REGIONS:
        steps = {"GHM-C": candidates.step(torchghm.GHMCLoss(bins).to(device), inputs, targets)}
        if bins <= 100:
            loop = theirs.GHMC(bins=bins, momentum=0.75).to(device)
            steps["mmdet GHMC"] = candidates.step(lambda x, t, loop=loop: loop(x, t, weight), inputs, dense)
        yield from _rows("regions", steps, inputs.numel(), bins, device, seconds / 4)


def softmax(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """[65536, 1000] logits, as in image classification, and [1000000, 9], as tokens or pixels of a few classes."""
    rows, classes = int(MANY_CLASSES[0] * scale), MANY_CLASSES[1]
    generator = torch.Generator(device).manual_seed(0)
    inputs = torch.randn(rows, classes, device=device, generator=generator).requires_grad_()
    targets = torch.randint(classes, (rows,), device=device, generator=generator)
    steps = {**candidates.softmax(inputs, targets), "copy of the logits": candidates.copy(inputs)}
    yield from _rows("softmax", steps, inputs.numel(), 30, device, seconds, memory=True)
    few = torch.randn(int(1_000_000 * scale), FEW_CLASSES, device=device, generator=generator)
    labels = torch.randint(FEW_CLASSES, (len(few),), device=device, generator=generator)
    steps = {**candidates.softmax(few.requires_grad_(), labels), "copy of the logits": candidates.copy(few)}
    yield from _rows(f"softmax, {FEW_CLASSES} classes", steps, few.numel(), 30, device, seconds)


def soft(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """Soft targets for every logit, as a task-aligned assigner makes them: 8 images of 8,400 points and 80 classes."""
    inputs, labels = candidates.batch(int(8 * 8400 * 80 * scale), device)
    generator = torch.Generator(device).manual_seed(0)
    targets = candidates.one_hot(labels, inputs.dtype)
    targets *= torch.rand(targets.shape, device=device, generator=generator)
    steps = {
        "GHM-C": candidates.step(torchghm.GHMCLoss().to(device), inputs, targets),
        "binary_cross_entropy_with_logits": candidates.step(F.binary_cross_entropy_with_logits, inputs, targets),
        "copy of the logits": candidates.copy(inputs),
    }
    yield from _rows("soft targets", steps, inputs.numel(), 30, device, seconds)


def small(device: str, scale: float, seconds: float) -> Iterator[Row]:
    """Where the cost of a call counts: 1,000 logits, 500 positive anchors' boxes, a batch of 32 texts in 5 classes."""
    inputs, targets = candidates.batch(1_000, device)  # 12 rows of 80
    steps = candidates.sigmoid(inputs, targets, compiled=False)
    yield from _rows("small, 12 anchors", steps, inputs.numel(), 30, device, seconds / 4)
    yield from _rows("small, 500 boxes", candidates.regression(2_000, device), 2_000, 10, device, seconds / 4)
    generator = torch.Generator(device).manual_seed(0)
    texts = torch.randn(32, 5, device=device, generator=generator).requires_grad_()
    labels = torch.randint(5, (32,), device=device, generator=generator)
    yield from _rows("small, 32 texts", candidates.softmax(texts, labels), texts.numel(), 30, device, seconds / 4)


def _rows(
    benchmark: str,
    steps: dict[str, Step],
    numbers: int,
    bins: int,
    device: str,
    seconds: float,
    *,
    memory: bool = False,
) -> Iterator[Row]:
    for name, times in timed(steps, seconds=seconds, device=device).items():
        extra = extra_memory(steps[name], device) if memory and name != "copy of the logits" else None
        yield Row(benchmark, name, numbers, bins, quantiles(times), len(times), extra)
