"""Gradient norms, against the gradients that autograd computes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from torchghm.functional import gradient_norm_asl1, gradient_norm_sigmoid, gradient_norm_softmax

LOGITS = torch.linspace(-6, 6, 24, dtype=torch.float64).view(6, 4)
CLASSES = torch.tensor([0, 1, 2, 3, 0, 1])


def gradient(loss, inputs):
    inputs = inputs.clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(inputs), inputs)
    return found


def test_sigmoid_is_the_absolute_gradient_of_every_logit():
    targets = torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = gradient(lambda x: binary_cross_entropy_with_logits(x, targets, reduction="sum"), LOGITS).abs()
    torch.testing.assert_close(gradient_norm_sigmoid(LOGITS, targets), expected)
    one_hot = torch.nn.functional.one_hot(CLASSES, 4).double()
    torch.testing.assert_close(gradient_norm_sigmoid(LOGITS, CLASSES), gradient_norm_sigmoid(LOGITS, one_hot))


def test_softmax_is_half_the_1_norm_of_a_row_s_gradient():
    probabilities = torch.softmax(LOGITS.flip(0) / 3, 1)
    for targets in (CLASSES, probabilities):
        rows = gradient(lambda x, targets=targets: cross_entropy(x, targets, reduction="sum"), LOGITS)
        torch.testing.assert_close(gradient_norm_softmax(LOGITS, targets), rows.abs().sum(1) / 2)


@pytest.mark.parametrize("mu", [0.02, 1.0])
def test_asl1_is_the_absolute_gradient_of_every_coordinate(mu):
    residual = torch.linspace(-3, 3, 25, dtype=torch.float64)
    expected = gradient(lambda d: (torch.sqrt(d**2 + mu**2) - mu).sum(), residual).abs()
    torch.testing.assert_close(gradient_norm_asl1(residual, mu), expected)


def test_there_is_none_where_there_is_no_example():
    targets = CLASSES.clone()
    targets[2] = -100
    assert gradient_norm_sigmoid(LOGITS, targets)[2].isnan().all()
    assert gradient_norm_softmax(LOGITS, targets).isnan().tolist() == [False, False, True, False, False, False]
    assert gradient_norm_asl1(torch.tensor([float("nan")])).isnan().all()


def test_the_class_axis_may_stand_second():
    image = LOGITS.view(1, 6, 4).movedim(-1, 1)
    torch.testing.assert_close(
        gradient_norm_sigmoid(image, CLASSES[None], class_dim=1)[0].T, gradient_norm_sigmoid(LOGITS, CLASSES)
    )


def test_the_hardest_residuals_do_not_overflow():
    far = torch.tensor([1e30, -1e30, float("inf")])
    assert gradient_norm_asl1(far).tolist() == [1.0, 1.0, 1.0]
