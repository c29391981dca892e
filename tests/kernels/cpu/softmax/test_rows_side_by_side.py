"""Rows of few classes, side by side and one by one, against the literal passes."""

from __future__ import annotations

import pytest
import torch
from tests.kernels.batches import (
    check_histogram,
    check_loss,
    examples_of,
    move_off_edges,
    random_examples,
    threads_and_chunks,
)
from tests.oracles import passes as oracle

from torchghm.functional.examples import Examples
from torchghm.kernels.cpu import passes as cpu
from torchghm.kernels.cpu.softmax.rows_side_by_side import FEW_CLASSES, ROWS

REGIONS = 30


@pytest.mark.parametrize("rows", [1, ROWS - 1, ROWS, 3 * ROWS + 5])
@pytest.mark.parametrize("classes", [2, 3, 9, FEW_CLASSES, FEW_CLASSES + 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("nonfinite", [0.0, 0.003])
@pytest.mark.parametrize("leave_out", [False, True])
def test_against_the_literal_passes(rows, classes, dtype, nonfinite, leave_out):
    # Ignored rows and targets out of range are among them, and in a block with an infinity finite rows.
    weight = "row" if classes % 2 else "none"
    inputs = random_examples(
        rows, activation="softmax", rows=rows, classes=classes, dtype=dtype, soft=False, weight=weight,
        nonfinite=nonfinite,
    )  # fmt: skip
    move_off_edges(inputs, "softmax", REGIONS)
    batch, invalid = examples_of(inputs, "softmax")
    options = ("softmax", -100, leave_out)
    table = torch.linspace(0.5, 2, REGIONS, dtype=torch.float64)
    with threads_and_chunks(2, chunk=400):
        histogram = cpu.classification_histogram(*inputs, REGIONS, *options)
        loss, sums, gradient = cpu.classification_loss_and_gradient(*inputs, table, *options)
    check_histogram(histogram, oracle.histogram(batch, invalid, REGIONS, leave_out_nonfinite=leave_out), dtype)
    expected = oracle.loss_and_gradient(batch, table.tolist(), inputs.logits.numel(), leave_out_nonfinite=leave_out)
    check_loss(loss, sums, gradient, expected, dtype)


@pytest.mark.parametrize("lead", [1e-3, 10.0, 60.0, 1e30])
def test_a_label_far_above_or_below_the_others_keeps_its_digits(lead):
    logits = torch.zeros(ROWS, 3)
    logits[:, 0] = lead
    targets = torch.arange(ROWS) % 2  # the class that leads, and one that lags
    table = torch.ones(1, dtype=torch.float64)
    loss, sums, gradient = cpu.classification_loss_and_gradient(logits, targets, None, table, "softmax", -100, False)
    batch, _ = examples_of(Examples(logits, targets, None), "softmax")
    check_loss(
        loss, sums, gradient, oracle.loss_and_gradient(batch, [1.0], 3 * ROWS, leave_out_nonfinite=False), torch.float32
    )


def test_a_row_that_is_no_example_has_a_gradient_of_zero():
    logits, targets = torch.randn(ROWS, 4), torch.full((ROWS,), -100)
    table = torch.ones(REGIONS, dtype=torch.float64)
    loss, sums, gradient = cpu.classification_loss_and_gradient(logits, targets, None, table, "softmax", -100, False)
    assert float(loss) == 0
    assert sums.tolist() == [0, 0, 0]
    assert torch.equal(gradient, torch.zeros(ROWS, 4))
    assert not torch.signbit(gradient).any()


@pytest.mark.parametrize("others", [0, 1, ROWS])
def test_rows_are_the_same_wherever_they_lie(others):
    generator = torch.Generator().manual_seed(0)
    rows = ROWS + 5
    logits, targets = torch.randn(others + rows, 5, generator=generator), torch.arange(others + rows) % 5
    table = torch.linspace(1, 2, REGIONS, dtype=torch.float64)

    def gradient(first: int) -> torch.Tensor:
        part = logits[first:].contiguous(), targets[first:].contiguous()
        return cpu.classification_loss_and_gradient(*part, None, table, "softmax", -100, False)[2]

    assert torch.equal(gradient(0)[others:], gradient(others))
