"""The ops registered with torch, as torch's own checks see them."""

from __future__ import annotations

import pytest
import torch
from tests.kernels.op_calls import TABLE, batch


def op_inputs(kind):
    examples = batch("softmax" if kind == "softmax" else "sigmoid")
    logits = examples.logits.clone().requires_grad_()
    if kind == "regression":
        residual = torch.randn(50, requires_grad=True)
        return "regression", (residual, torch.rand(50)), (0.02, False)
    return "classification", (logits, examples.targets, examples.weight), (kind, -100, False)


@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "regression"])
def test_opcheck(kind):
    stem, tensors, options = op_inputs(kind)
    histogram = getattr(torch.ops.torchghm, f"{stem}_histogram").default
    loss_and_gradient = getattr(torch.ops.torchghm, f"{stem}_loss_and_gradient").default
    torch.library.opcheck(histogram, (*tensors, 30, *options))
    torch.library.opcheck(loss_and_gradient, (*tensors, TABLE, *options))


@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "regression"])
def test_the_registered_op_is_differentiable_by_itself(kind):
    stem, (inputs, *others), options = op_inputs(kind)
    loss, sums, gradient = getattr(torch.ops.torchghm, f"{stem}_loss_and_gradient")(inputs, *others, TABLE, *options)
    assert not sums.requires_grad
    assert not gradient.requires_grad
    (2 * loss).backward()
    torch.testing.assert_close(inputs.grad, 2 * gradient)
