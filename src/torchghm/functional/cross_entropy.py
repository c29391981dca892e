"""Cross entropy, example by example: the loss that GHM-C weighs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torchghm.functional.examples import Examples, compute_dtype
from torchghm.functional.gradient_norm import signed_logits


def sigmoid_cross_entropy(examples: Examples) -> Tensor:
    """Return -p* log p - (1 - p*) log(1 - p) of every logit, [R, K]; ignored rows are not yet left out."""
    if examples.targets.is_floating_point():
        dtype = compute_dtype(examples.logits)
        with torch.autocast(examples.logits.device.type, enabled=False):
            return F.binary_cross_entropy_with_logits(
                examples.logits.to(dtype), examples.targets.to(dtype), reduction="none"
            )
    return F.softplus(signed_logits(examples))


def softmax_cross_entropy(examples: Examples) -> Tensor:
    """Return -sum_c p*_c log p_c of every row, [R]; ignored rows are not yet left out."""
    logits = examples.logits.to(compute_dtype(examples.logits))
    if examples.targets.is_floating_point():
        return -(logits.log_softmax(1) * examples.targets.to(logits.dtype)).sum(1)
    column = examples.targets.clamp(0, logits.shape[1] - 1)[:, None]
    return -logits.log_softmax(1).gather(1, column)[:, 0]
