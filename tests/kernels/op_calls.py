"""Calls of the kernels' ops with a small random batch."""

from __future__ import annotations

import torch
from tests.kernels.batches import random_examples

from torchghm.kernels import ops

OPTIONS = {"activation": "sigmoid", "ignore_index": -100, "leave_out_nonfinite": False}

TABLE = torch.linspace(0.5, 2, 30, dtype=torch.float64)


def batch(activation="sigmoid", dtype=torch.float32, soft=False, weight="row"):
    return random_examples(2, activation=activation, rows=60, classes=7, dtype=dtype, soft=soft, weight=weight)


def loss_of(logits, examples, backend="auto", table=TABLE, **options):
    return ops.classification_loss(
        examples._replace(logits=logits), table, backend=backend, **{**OPTIONS, **options}
    ).loss


def gradient_of(examples, **options):
    logits = examples.logits.clone().requires_grad_()
    loss = loss_of(logits, examples, **options)
    loss.backward()
    return loss.detach(), logits.grad
