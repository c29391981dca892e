"""Losses, gradients and histograms are the same bits wherever their inputs lie in memory."""

from __future__ import annotations

import pytest
import torch
from tests.alignment import OFFSETS, moved
from tests.kernels.batches import random_examples, threads_and_chunks

from torchghm import GHMCLoss, GHMRLoss
from torchghm.functional.examples import Examples
from torchghm.kernels import ops

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
BACKENDS = ["eager", "cpu"]  # Triton: `triton/cases.py`


def at(tensor, offset):
    return None if tensor is None else moved(tensor, offset)


def passes(examples, backend, activation, offset):
    """Pass 1 and pass 2 of a backend, and the gradient."""
    options = {"activation": activation, "ignore_index": -100, "leave_out_nonfinite": False, "backend": backend}
    logits = at(examples.logits, offset).requires_grad_()
    here = Examples(logits, at(examples.targets, offset), at(examples.weight, offset))
    histogram = ops.classification_histogram(here, 30, **options)
    table = moved(torch.linspace(0.5, 2, 30, dtype=torch.float64), offset)
    loss, sums = ops.classification_loss(here, table, **options)
    loss.sum().backward()
    return [histogram, loss.detach(), sums, logits.grad]


def steps(loss, inputs, others, offset):
    """Two calls of a module, the second with the average that the first left, moved in memory."""
    found = []
    for _ in range(2):
        for buffer in loss.buffers():
            buffer.data = moved(buffer.data, offset)
        leaf = at(inputs, offset).requires_grad_()
        value = loss(leaf, *(at(other, offset) for other in others))
        value.backward()
        found += [value.detach(), leaf.grad, *(buffer.clone() for buffer in loss.buffers())]
    return found


def assert_same_bits(compute):
    expected = compute(0)
    for offset in OFFSETS:
        for got, want in zip(compute(offset), expected, strict=True):
            assert got.dtype == want.dtype
            assert torch.equal(got.nan_to_num(), want.nan_to_num()), offset
            assert torch.equal(got.isnan(), want.isnan()), offset


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize(("soft", "weight"), [(False, "none"), (False, "row"), (True, "row")])
def test_the_passes(backend, dtype, activation, soft, weight):
    examples = random_examples(
        1, activation=activation, rows=301, classes=7, dtype=dtype, soft=soft, weight=weight, nonfinite=0.01
    )
    with threads_and_chunks(2, 512):
        assert_same_bits(lambda offset: passes(examples, backend, activation, offset))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("density", ["regions", "exact"])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_classification(backend, dtype, density, activation):
    examples = random_examples(3, activation=activation, rows=301, classes=7, dtype=dtype, soft=False, weight="row")
    targets = examples.targets.clamp(0, 6)

    def compute(offset):
        loss = GHMCLoss(activation=activation, density=density, backend=backend)
        return steps(loss, examples.logits, (targets, examples.weight), offset)

    with threads_and_chunks(2, 512):
        assert_same_bits(compute)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mu", [0.02, "auto"])
def test_regression(backend, dtype, mu):
    torch.manual_seed(0)
    boxes = (torch.randn(1003, dtype=torch.float64) * 0.1).to(dtype)
    targets = torch.zeros_like(boxes)
    with threads_and_chunks(2, 256):
        assert_same_bits(lambda offset: steps(GHMRLoss(mu=mu, backend=backend), boxes, (targets,), offset))
