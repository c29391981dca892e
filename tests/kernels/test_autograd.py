"""Derivatives of the kernels' losses: handed over, scaled, accumulated, retained, and of second order."""

from __future__ import annotations

import pytest
import torch
from tests.kernels.op_calls import OPTIONS, TABLE, batch, gradient_of, loss_of

from torchghm.kernels import ops
from torchghm.kernels.cpu import gradient_memory


def test_backward_multiplies_by_the_gradient_of_the_loss():
    examples = batch()
    _, expected = gradient_of(examples)
    logits = examples.logits.clone().requires_grad_()
    (2.5 * loss_of(logits * 3, examples._replace(logits=None)) + logits.sum()).backward()
    tripled = gradient_of(examples._replace(logits=examples.logits * 3))[1]
    torch.testing.assert_close(logits.grad, 7.5 * tripled + 1)
    assert not torch.equal(expected, logits.grad)


def test_a_gradient_is_handed_over_without_a_copy():
    examples = batch()
    logits = examples.logits.clone().requires_grad_()
    loss = loss_of(logits, examples)
    address = loss.grad_fn.gradient.data_ptr()
    loss.backward()
    assert logits.grad.data_ptr() == address
    assert loss.grad_fn.gradient is None


def test_gradients_accumulate_over_calls(monkeypatch):
    """Two losses alive at once, their gradients in the same kind of memory."""
    monkeypatch.setattr(gradient_memory, "LARGE", 1)
    examples = batch()
    logits = examples.logits.clone().requires_grad_()
    first, second = loss_of(logits, examples), loss_of(logits, examples, table=2 * TABLE)
    first.backward()
    second.backward()
    torch.testing.assert_close(logits.grad, 3 * gradient_of(examples)[1])


def test_a_retained_graph_gives_the_same_gradient_again():
    examples = batch()
    logits = examples.logits.clone().requires_grad_()
    loss = loss_of(logits, examples)
    (first,) = torch.autograd.grad(2 * loss, logits, retain_graph=True)
    (second,) = torch.autograd.grad(2 * loss, logits, retain_graph=True)
    assert first.data_ptr() != second.data_ptr()
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_gradgradcheck(activation):
    examples = batch(activation, torch.float64)._replace(targets=torch.arange(60) % 7)

    def loss(logits):
        return loss_of(logits, examples, activation=activation)

    logits = examples.logits.clone().requires_grad_()
    torch.autograd.gradcheck(loss, logits)
    torch.autograd.gradgradcheck(loss, logits)

    residual = torch.linspace(-0.05, 0.05, 20, dtype=torch.float64).requires_grad_()

    def regression(residual):
        return ops.regression_loss(residual, None, TABLE[:10], mu=0.02, leave_out_nonfinite=False).loss

    torch.autograd.gradcheck(regression, residual)
    torch.autograd.gradgradcheck(regression, residual)


def test_the_table_and_the_sums_have_no_gradient():
    examples = batch()
    logits, table = examples.logits.clone().requires_grad_(), TABLE.clone().requires_grad_()
    loss, sums = ops.classification_loss(examples._replace(logits=logits), table, **OPTIONS)
    assert loss.requires_grad
    assert not sums.requires_grad
    loss.backward()
    assert table.grad is None
    histogram = ops.classification_histogram(examples._replace(logits=logits), 30, **OPTIONS)
    assert not histogram.requires_grad


def test_a_loss_scale_saves_small_float16_gradients():
    examples = batch(dtype=torch.float16)
    table, scale = TABLE * 1e-9, 2.0**24
    logits = examples.logits.clone().requires_grad_()
    (loss_of(logits, examples, table=table) * scale).backward()
    exact = examples.logits.float().requires_grad_()
    (loss_of(exact, examples, table=table) * scale).backward()
    torch.testing.assert_close(logits.grad.float(), exact.grad, rtol=2e-3, atol=1e-7)
    assert exact.grad.abs().max() > 1e-3
