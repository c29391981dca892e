"""ASL1 and GHM-R against the literal oracle, in value and gradient, and at the limits of precision."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import harmonizing as oracle

from torchghm.functional import asl1_loss, ghmr_loss, gradient_norm_asl1


def oracle_loss(residual, weights, mu, **options):
    losses, derivatives, norms = zip(*(oracle.asl1(d, mu) for d in residual.flatten().tolist()), strict=True)
    value, factors = oracle.mean_harmonized(list(losses), list(norms), weights.flatten().tolist(), **options)
    gradient = torch.tensor([f * d for f, d in zip(factors, derivatives, strict=True)], dtype=torch.float64)
    return value, gradient.view_as(residual)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    boxes=st.integers(1, 30),
    bins=st.sampled_from([1, 10, 30]),
    density=st.sampled_from(["regions", "exact"]),
    normalize=st.sampled_from(["occupied", "regions"]),
    mu=st.sampled_from([0.02, 0.1, 1.0]),
)
def test_equals_the_definition(seed, boxes, bins, density, normalize, mu):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(boxes, 4, generator=generator, dtype=torch.float64) * mu * 3
    target = torch.randn(boxes, 4, generator=generator, dtype=torch.float64) * mu
    weights = torch.rand(boxes, 4, generator=generator, dtype=torch.float64)
    options = {"bins": bins, "density": density, "normalize": normalize}
    expected, expected_gradient = oracle_loss(predicted - target, weights, mu, **options)
    inputs = predicted.clone().requires_grad_()
    value = ghmr_loss(inputs, target, weights, mu=mu, **options)
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-8)
    torch.testing.assert_close(inputs.grad, expected_gradient, rtol=1e-7, atol=1e-12)


def test_one_region_is_mean_asl1():
    inputs, targets = torch.randn(50, 4), torch.randn(50, 4)
    torch.testing.assert_close(ghmr_loss(inputs, targets, bins=1), asl1_loss(inputs, targets))


def test_one_weight_a_box():
    inputs, targets, weight = torch.randn(9, 4), torch.randn(9, 4), torch.rand(9)
    each = weight[:, None].expand(9, 4)
    torch.testing.assert_close(ghmr_loss(inputs, targets, weight), ghmr_loss(inputs, targets, each))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_large_residuals_do_not_overflow(dtype):
    """d^2 is inf in float16 from 256 on, and lands outliers among the easiest examples."""
    residual = torch.tensor([300.0, 6e4], dtype=dtype, requires_grad=True)
    assert gradient_norm_asl1(residual).tolist() == pytest.approx([1.0, 1.0])
    loss = asl1_loss(residual, torch.zeros_like(residual))
    loss.backward()
    assert loss.item() == pytest.approx((300 + 6e4) / 2, rel=1e-3)
    assert residual.grad.tolist() == pytest.approx([0.5, 0.5])


def test_small_residuals_do_not_cancel():
    residual = torch.tensor([1e-6])
    loss = asl1_loss(residual, torch.zeros(1), mu=1.0)
    assert loss.item() == pytest.approx(0.5e-12, rel=1e-5)


def test_nonfinite_residuals():
    residual = torch.tensor([0.1, float("nan"), float("inf"), -0.2], requires_grad=True)
    zeros = torch.zeros(4)
    assert ghmr_loss(residual, zeros).isnan()
    with pytest.raises(ValueError, match="got 2 value"):
        ghmr_loss(residual, zeros, nonfinite="raise")
    loss = ghmr_loss(residual, zeros, nonfinite="ignore")
    loss.backward()
    assert loss.item() == pytest.approx(ghmr_loss(residual.detach()[[0, 3]], zeros[:2]).item())
    assert residual.grad[1:3].tolist() == [0, 0]
    assert gradient_norm_asl1(residual).isnan().tolist() == [False, True, False, False]
    assert gradient_norm_asl1(residual)[2] == 1


def test_infinite_residuals_have_their_loss_and_gradient():
    residual = torch.tensor([float("-inf"), float("inf"), 0.3], requires_grad=True)
    each = asl1_loss(residual, torch.zeros(3), reduction="none")
    each.sum().backward()
    assert each[:2].tolist() == [float("inf")] * 2
    assert residual.grad.tolist() == pytest.approx([-1, 1, 0.3 / (0.3**2 + 0.02**2) ** 0.5])


def test_no_box():
    inputs = torch.zeros(0, 4, requires_grad=True)
    loss = ghmr_loss(inputs, torch.zeros(0, 4))
    loss.backward()
    assert loss.item() == 0
    assert inputs.grad.shape == (0, 4)


def test_gradcheck():
    residual = torch.randn(20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda d: asl1_loss(d, torch.zeros_like(d), mu=0.5), (residual,))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((torch.zeros(3, 4), torch.zeros(3, 2)), {}, ValueError, r"`targets`.*\[3, 4\].*\[3, 2\]"),
        ((torch.zeros(3, 4), torch.zeros(3, 4), torch.ones(4)), {}, ValueError, r"`weight`.*\[4\]"),
        ((torch.zeros(3, 4), torch.zeros(3, 4)), {"mu": 0.0}, ValueError, "`mu`.*above 0"),
        ((torch.zeros(3, 4, dtype=torch.int32), torch.zeros(3, 4)), {}, TypeError, "`inputs`.*int32"),
    ],
)
def test_mistakes_are_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        ghmr_loss(*arguments, **options)
