from __future__ import annotations

import numpy as np
import pytest
import torch

from torchghm.report import gradient_table as table


def test_weights_sum_to_the_number_of_examples_and_leave_empty_regions_out():
    counts = np.array([90.0, 0.0, 6.0, 3.0, 0.0, 1.0])
    beta = table.harmonizing_weights(counts, bins=6)
    assert counts @ beta == pytest.approx(counts.sum())
    assert (beta[counts == 0] == 0).all()
    # Equation: beta_j = N / (R_j * occupied regions).
    np.testing.assert_allclose(beta[counts > 0], 100 / (counts[counts > 0] * 4))


def test_one_region_is_plain_cross_entropy():
    np.testing.assert_allclose(table.harmonizing_weights(np.array([5.0, 1.0, 9.0]), bins=1), 1.0)


def test_cells_go_as_a_whole_to_the_region_of_their_centre():
    assert table.region_counts(np.ones(1000), 10).tolist() == [100] * 10
    assert table.region_counts(np.ones(1000), 30).sum() == 1000
    assert np.abs(table.region_counts(np.ones(1000), 30) - 1000 / 30).max() < 1


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_focal_gradient_norm_is_the_derivative(gamma: float, target: float):
    x = torch.linspace(-6, 6, 41, dtype=torch.float64, requires_grad=True)
    p = torch.sigmoid(x)
    p_t = p if target else 1 - p
    (-((1 - p_t) ** gamma) * torch.log(p_t)).sum().backward()
    g = (p - target).abs().detach().numpy()
    np.testing.assert_allclose(table.focal_gradient_norm(g, gamma), x.grad.abs().numpy(), rtol=1e-9)


def test_focal_gradient_norm_is_1_where_the_model_is_completely_wrong():
    assert table.focal_gradient_norm(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]


def test_smooth_l1_gradient_norm_is_the_derivative():
    mu, delta = 0.02, 1 / 9
    d = torch.linspace(0.001, 0.5, 50, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.smooth_l1_loss(d, torch.zeros_like(d), beta=delta, reduction="sum").backward()
    residual = d.detach().numpy()
    g = residual / np.hypot(residual, mu)
    np.testing.assert_allclose(table.smooth_l1_gradient_norm(g, mu, delta), d.grad.numpy(), rtol=1e-9)


def test_residuals_keep_their_number_and_land_at_their_gradient_norm():
    mu = 0.02
    edges = np.linspace(0, 2, 1001)
    counts = np.zeros(1000)
    counts[10] = 7  # |d| in [0.020, 0.022]: g in [0.707, 0.740]
    counts[-1] = 2  # everything beyond: g close to 1
    of_g = table.residuals_to_gradient_norm(edges, counts, mu)
    assert of_g.sum() == pytest.approx(9)
    assert of_g[707:741].sum() == pytest.approx(7)
    assert of_g[-1] == pytest.approx(2)


def test_residuals_that_are_malformed_are_refused():
    with pytest.raises(ValueError, match="`edges` to be 3 ascending"):
        table.residuals_to_gradient_norm([0, 2, 1], [1, 1], 0.02)
    with pytest.raises(ValueError, match="`mu` to be above 0"):
        table.residuals_to_gradient_norm([0, 1], [1], 0.0)
    with pytest.raises(ValueError, match="`counts` to hold finite counts"):
        table.residuals_to_gradient_norm([0, 1], [-1], 0.02)


def test_effective_number_of_examples():
    counts = np.array([10.0, 10.0])
    assert table.effective_examples(np.array([0.5, 0.5]), counts) == pytest.approx(20)
    assert table.effective_examples(np.array([0.5, 0.0]), counts) == pytest.approx(10)
    assert table.effective_examples(np.zeros(2), counts) == 0
