"""GHM-R that follows the scale of its residuals: mu="auto"."""

from __future__ import annotations

import copy

import pytest
import torch

import torchghm
from torchghm.losses.state.residual_scale import ResidualScale


def residuals(count: int = 4000, scale: float = 0.3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator) * scale


def loss_of(loss: torchghm.GHMRLoss, residual: torch.Tensor) -> torch.Tensor:
    return loss(residual, torch.zeros_like(residual))


@pytest.mark.parametrize("scale", [1e-4, 0.02, 3.0, 500.0])
def test_the_median_within_a_cell(scale):
    residual = residuals(scale=scale)
    expected = residual.abs().median()
    # a cell is 1.8 % wide
    torch.testing.assert_close(ResidualScale(0.0)(residual, None), expected, rtol=0.01, atol=0)


def test_equals_a_fixed_mu_of_that_size():
    """Loss, gradient and diagnostics are those of a GHM-R told the median beforehand."""
    residual = residuals().requires_grad_()
    auto = torchghm.GHMRLoss.published(mu="auto", momentum=0)
    value = loss_of(auto, residual)
    (gradient,) = torch.autograd.grad(value, residual)
    fixed = torchghm.GHMRLoss.published(mu=float(auto.mu), momentum=0)
    expected = loss_of(fixed, residual)
    (expected_gradient,) = torch.autograd.grad(expected, residual)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)
    # an example on the edge of a region may fall to either side of it
    assert ((gradient - expected_gradient).abs() > 1e-5 * expected_gradient.abs()).sum() <= 4
    torch.testing.assert_close(auto.diagnostics.plain_loss, fixed.diagnostics.plain_loss, rtol=1e-5, atol=0)
    torch.testing.assert_close(auto.diagnostics.sums[1], fixed.diagnostics.sums[1], rtol=1e-4, atol=0)


def test_half_of_the_coordinates_below_the_knee():
    loss = torchghm.GHMRLoss.published(mu="auto", momentum=0, bins=100)
    loss_of(loss, residuals(scale=7.0))
    below = loss.diagnostics.histogram[:71].sum()  # g(mu) = 0.7071
    assert 0.47 < below < 0.53


@pytest.mark.parametrize("factor", [10.0, 1e-3])
def test_weights_do_not_depend_on_the_scale(factor):
    losses = [torchghm.GHMRLoss.published(mu="auto", momentum=0.5) for _ in range(2)]
    for step in range(3):
        plain = loss_of(losses[0], residuals(seed=step))
        scaled = loss_of(losses[1], residuals(seed=step) * factor)
    torch.testing.assert_close(losses[0].diagnostics.beta, losses[1].diagnostics.beta, rtol=0.02, atol=0)
    torch.testing.assert_close(scaled, plain * factor, rtol=1e-3, atol=0)
    # with a fixed mu they do
    fixed = [torchghm.GHMRLoss.published(mu=0.02, momentum=0.5) for _ in range(2)]
    loss_of(fixed[0], residuals())
    loss_of(fixed[1], residuals() * factor)
    assert (fixed[0].diagnostics.beta / fixed[1].diagnostics.beta - 1).abs().max() > 0.5


def test_follows_slowly_and_only_in_training():
    loss = torchghm.GHMRLoss.published(mu="auto", momentum=0.9)
    loss_of(loss, residuals(scale=1.0))
    first = loss.mu.clone()
    torch.testing.assert_close(first, residuals(scale=1.0).abs().median(), rtol=0.01, atol=0)  # no bias at the start
    for step in range(20):
        loss_of(loss, residuals(scale=1.0, seed=step))
    loss_of(loss, residuals(scale=0.01, seed=1))
    assert 0.7 < loss.mu / first < 0.95  # a tenth of the distribution is small now
    for step in range(40):
        loss_of(loss, residuals(scale=0.01, seed=step))
    torch.testing.assert_close(loss.mu, residuals(scale=0.01).abs().median(), rtol=0.1, atol=0)
    loss.eval()
    before = copy.deepcopy(loss.state_dict())
    loss_of(loss, residuals(scale=100.0))
    assert all(torch.equal(before[name], value) for name, value in loss.state_dict().items())


def test_resumed_as_if_never_interrupted():
    loss = torchghm.GHMRLoss.published(mu="auto")
    for step in range(3):
        loss_of(loss, residuals(scale=1.0 / (1 + step), seed=step))
    resumed = torchghm.GHMRLoss.published(mu="auto")
    resumed.load_state_dict(loss.state_dict())
    assert resumed.mu == loss.mu
    assert torch.equal(loss_of(loss, residuals(seed=9)), loss_of(resumed, residuals(seed=9)))
    with pytest.raises(RuntimeError, match="residual_scale"):
        torchghm.GHMRLoss.published(mu="auto").load_state_dict(torchghm.GHMRLoss.published().state_dict())


def test_weights_count_in_the_median():
    small, large = residuals(1000, 0.01), residuals(1000, 1.0)
    both = torch.cat([small, large])
    weight = torch.cat([torch.zeros(1000), torch.ones(1000)])
    scale = ResidualScale(0.0)
    assert scale(both, weight) == scale(large, None)
    doubled = torch.cat([small, small, large])
    torch.testing.assert_close(
        scale(both, torch.cat([torch.full((1000,), 2.0), torch.ones(1000)])), scale(doubled, None), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_example_where_not_finite(value):
    residual = residuals(101)
    expected = ResidualScale(0.0)(residual, None)
    spoilt = torch.cat([residual, torch.tensor([value])])
    assert ResidualScale(0.0)(spoilt, None) == expected
    loss = torchghm.GHMRLoss.published(mu="auto", nonfinite="ignore")
    assert loss_of(loss, spoilt).isfinite()


def test_without_any_example():
    loss = torchghm.GHMRLoss.published(mu="auto")
    nothing = torch.zeros(0, 4, requires_grad=True)
    value = loss(nothing, torch.zeros(0, 4))
    value.backward()
    assert value == 0
    assert loss.mu == 1
    loss_of(loss, residuals(scale=0.1))
    before = loss.mu.clone()
    loss(nothing, torch.zeros(0, 4))
    torch.testing.assert_close(loss.mu, before, rtol=1e-5, atol=0)


def test_unreduced_and_double_precision():
    residual = residuals().double()
    loss = torchghm.GHMRLoss.published(mu="auto", momentum=0, reduction="none")
    each = loss_of(loss, residual)
    mean = loss_of(torchghm.GHMRLoss.published(mu="auto", momentum=0), residual)
    assert each.dtype == torch.float64
    torch.testing.assert_close(each.mean(), mean, rtol=1e-4, atol=0)


def test_compiles_in_one_graph():
    loss = torchghm.GHMRLoss.published(mu="auto", backend="eager")
    step = torch.compile(lambda residual: loss_of(loss, residual), backend="eager", fullgraph=True)
    again = torchghm.GHMRLoss.published(mu="auto", backend="eager")
    for seed in range(2):
        torch.testing.assert_close(step(residuals(seed=seed)), loss_of(again, residuals(seed=seed)))


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="`mu`.*'median'"):
        torchghm.GHMRLoss.published(mu="median")
    with pytest.raises(ValueError, match="`mu`.*-1"):
        torchghm.GHMRLoss.published(mu=-1)
    with pytest.raises(TypeError, match="`mu`.*'auto'"):
        torchghm.ReferenceGHMR(mu="auto")
    assert "mu='auto'" in repr(torchghm.GHMRLoss.published(mu="auto"))
