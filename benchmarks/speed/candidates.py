"""Ours and the peers, each as one step: forward, and backward to the logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from tests.oracles.mmdetection import load_ghm_losses
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

import torchghm
from benchmarks.speed.measure import Step

CLASSES = 80
POSITIVES = 0.01
"""Share of RetinaNet's anchors that are positive; each has one positive logit."""


def batch(logits: int, device: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return logits [logits / 80, 80] of a detector that has learned something, and integer targets."""
    generator = torch.Generator(device).manual_seed(0)
    rows = max(1, logits // CLASSES)
    inputs = torch.randn(rows, CLASSES, device=device, generator=generator).mul_(1.5).sub_(4).to(dtype)
    targets = torch.randint(CLASSES, (rows,), device=device, generator=generator)
    positive = torch.rand(rows, device=device, generator=generator) < POSITIVES
    return inputs.requires_grad_(), targets.where(positive, -1)


def one_hot(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what the peers want instead of class indices, [rows, 80]; making it is not part of their time."""
    dense = torch.zeros(targets.numel(), CLASSES, dtype=dtype, device=targets.device)
    dense[targets >= 0, targets[targets >= 0]] = 1
    return dense


def step(loss: Callable[..., Tensor], inputs: Tensor, *arguments: object) -> Step:
    """Return a function that computes the loss and the gradient, which it leaves nowhere."""

    def run() -> None:
        torch.autograd.grad(loss(inputs, *arguments), inputs)

    return run


def copy(inputs: Tensor) -> Step:
    """Return a function that reads and writes as many bytes as the logits have: what memory allows."""
    source, destination = inputs.detach(), torch.empty_like(inputs)
    return lambda: destination.copy_(source)


def sigmoid(inputs: Tensor, targets: Tensor, *, loops: bool = True, compiled: bool = True) -> dict[str, Step]:
    """Return GHM-C, exact GHM-C and their sigmoid peers on one batch.

    Arguments:
        inputs: [rows, 80].
        targets: [rows], class indices.
        loops: also mmdetection's, which takes a hundred times as long.
        compiled: also what torch.compile makes of cross entropy.
    """
    dense = one_hot(targets, inputs.dtype)
    candidates = {
        "GHM-C": step(torchghm.GHMCLoss().to(inputs.device), inputs, targets),
        "GHM-C, exact": step(torchghm.GHMCLoss(density="exact").to(inputs.device), inputs, targets),
        "binary_cross_entropy_with_logits": step(F.binary_cross_entropy_with_logits, inputs, dense),
        "sigmoid_focal_loss": step(lambda x, t: sigmoid_focal_loss(x, t, reduction="mean"), inputs, dense),
        "copy of the logits": copy(inputs),
    }
    if compiled:
        function = torch.compile(F.binary_cross_entropy_with_logits)
        candidates["binary_cross_entropy_with_logits, compiled"] = step(function, inputs, dense)
    if loops:
        theirs = load_ghm_losses().GHMC(bins=30, momentum=0.75).to(inputs.device)
        weight = torch.ones_like(dense)
        candidates["mmdet GHMC"] = step(lambda x, t: theirs(x, t, weight), inputs, dense)
    return candidates


def softmax(inputs: Tensor, targets: Tensor) -> dict[str, Step]:
    """Return softmax GHM-C and cross entropy on one batch."""
    return {
        "GHM-C, softmax": step(torchghm.GHMCLoss(activation="softmax").to(inputs.device), inputs, targets),
        "cross_entropy": step(F.cross_entropy, inputs, targets),
    }


def regression(coordinates: int, device: str) -> dict[str, Step]:
    """Return GHM-R and smooth L1 on the coordinates of some positive anchors."""
    generator = torch.Generator(device).manual_seed(0)
    predicted = torch.randn(coordinates // 4, 4, device=device, generator=generator).mul_(0.2).requires_grad_()
    target = torch.zeros_like(predicted)
    logits = torch.randn(coordinates, device=device, generator=generator).requires_grad_()
    return {
        "GHM-R": step(torchghm.GHMRLoss().to(device), predicted, target),
        "GHM-R as published": step(torchghm.GHMRLoss.published().to(device), predicted, target),
        "smooth_l1_loss": step(F.smooth_l1_loss, predicted, target),
        "binary_cross_entropy_with_logits": step(F.binary_cross_entropy_with_logits, logits, torch.zeros_like(logits)),
    }
