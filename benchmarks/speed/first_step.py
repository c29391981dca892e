"""Who leads the first step: the positives' share of the summed gradient before training, by loss and imbalance.

python -m benchmarks.speed.first_step
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from torchghm import CrossEntropyLoss, FocalLoss, GHMCLoss

PRIOR = 0.01
NEGATIVES = (300, 3_000, 30_000, 300_000)
LOSSES: dict[str, Callable[[], torch.nn.Module]] = {
    "cross entropy": CrossEntropyLoss,
    "focal": FocalLoss,
    "GHM-C, N / occupied regions": lambda: GHMCLoss(normalize="occupied"),
    "GHM-C, N / M": lambda: GHMCLoss(normalize="regions"),
    "GHM-C as published": GHMCLoss.published,
    "GHM-C": GHMCLoss,
}


def first_step(negatives: int, prior: float = PRIOR) -> tuple[Tensor, Tensor]:
    """Return logits [n, 1] and targets [n] of one positive and so many negatives, all with the prior's score."""
    logits = torch.full((negatives + 1, 1), math.log(prior / (1 - prior)))
    targets = torch.full((negatives + 1,), -1)
    targets[0] = 0
    return logits, targets


def positive_share(loss: torch.nn.Module, negatives: int) -> float:
    """Return the positives' share of the summed |gradient| in the first step."""
    logits, targets = first_step(negatives)
    logits.requires_grad_()
    loss(logits, targets).backward()
    assert logits.grad is not None
    return float(logits.grad[0].abs().sum() / logits.grad.abs().sum())


def table() -> str:
    """Return the shares as a Markdown table."""
    rows = [["negatives a positive", *LOSSES], ["---:"] * (len(LOSSES) + 1)]
    rows += [
        [f"{negatives:,}", *(f"{positive_share(build(), negatives):.3f}" for build in LOSSES.values())]
        for negatives in NEGATIVES
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(table())
