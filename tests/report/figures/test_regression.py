from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from torchghm.functional import harmonizing_weights
from torchghm.report import plot_regression_losses, plot_reweighted_regression
from torchghm.report.gradient_table import region_counts, residuals_to_gradient_norm

EDGES = np.linspace(0, 2, 1001)
COUNTS = np.round(300 * np.exp(-EDGES[:-1] / 0.08) + 1)


def test_the_reweighted_gradients():
    mu, delta = 0.05, 0.2
    _, ax = plot_reweighted_regression(EDGES, COUNTS, mu=mu, delta=delta, bins=10)
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    assert list(lines) == ["ASL1", "smooth L1", "GHM-R", "GHM-R as published"]
    g = ax.get_lines()[0].get_xdata()
    np.testing.assert_array_equal(lines["ASL1"], g)
    # Smooth L1 has one gradient for every residual beyond delta.
    beyond = g > delta / np.hypot(delta, mu)
    np.testing.assert_allclose(lines["smooth L1"][beyond], lines["smooth L1"][-1])
    of_g = residuals_to_gradient_norm(EDGES, COUNTS, mu)
    level = lines["GHM-R as published"] / g * np.repeat(region_counts(of_g, 10), 100)
    np.testing.assert_allclose(level, level[0])
    # With the cap a crowd is quieted, and no sparse region is louder than one that holds its equal share.
    counts = region_counts(of_g, 10)
    capped = (lines["GHM-R"] / g).reshape(10, 100).mean(1)
    expected = np.minimum(counts.sum() / 10 / counts, 1)
    np.testing.assert_allclose(capped / capped.max(), expected / expected.max())
    np.testing.assert_allclose([np.nansum(of_g * line) for line in lines.values()], (of_g * g).sum())


def test_ghmr_is_drawn_with_the_options_given():
    of_g = residuals_to_gradient_norm(EDGES, COUNTS, 0.05)
    options = {"bins": 12, "max_weight": 0.7, "normalize": "regions", "density": "exact"}
    _, ax = plot_reweighted_regression(EDGES, COUNTS, mu=0.05, **options)
    g, drawn = next(line.get_data() for line in ax.get_lines() if line.get_label() == "GHM-R")
    expected = harmonizing_weights(torch.tensor(g), torch.tensor(of_g), **options).numpy()
    np.testing.assert_allclose(drawn / g / drawn[-1] * g[-1], expected / expected[-1])
    _, ax = plot_reweighted_regression(EDGES, COUNTS, mu=0.05, max_weight=None)
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["GHM-R"], lines["GHM-R as published"])


@pytest.mark.parametrize("draw", [lambda: plot_reweighted_regression(EDGES, COUNTS, delta=0), plot_regression_losses])
def test_l1_has_one_gradient_everywhere(draw):
    _, ax = draw() if draw is not plot_regression_losses else draw(delta=0)
    gradient = next(
        line.get_ydata() for line in ax.get_lines() if line.get_label() in ("smooth L1", "smooth L1: gradient norm")
    )
    np.testing.assert_allclose(gradient, gradient[0])


def test_the_upper_axis_gives_the_residual():
    fig, ax = plot_reweighted_regression(EDGES, COUNTS, mu=0.02)
    fig.draw_without_rendering()
    upper = ax.child_axes[0]
    assert upper.get_xlabel() == "residual |d|"
    # At |d| = mu the gradient norm is 1 / sqrt(2).
    shown = {label.get_text(): at for label, at in zip(upper.get_xticklabels(), upper.get_xticks(), strict=True)}
    assert shown["0.02"] == pytest.approx(2**-0.5)


def test_the_curves_of_the_losses():
    mu, delta = 0.05, 0.2
    _, ax = plot_regression_losses(mu=mu, delta=delta)
    smooth, smooth_gradient, asl1, asl1_gradient, mark = ax.get_lines()
    d = torch.tensor(smooth.get_xdata(), requires_grad=True)
    loss = torch.nn.functional.smooth_l1_loss(d, torch.zeros_like(d), beta=delta, reduction="none")
    np.testing.assert_allclose(smooth.get_ydata(), loss.detach().numpy())
    loss.sum().backward()
    np.testing.assert_allclose(smooth_gradient.get_ydata(), d.grad.numpy())
    d = torch.tensor(smooth.get_xdata(), requires_grad=True)
    loss = torch.sqrt(d * d + mu * mu) - mu
    np.testing.assert_allclose(asl1.get_ydata(), loss.detach().numpy(), atol=1e-15)
    loss.sum().backward()
    np.testing.assert_allclose(asl1_gradient.get_ydata(), d.grad.numpy())
    assert list(mark.get_xdata()) == [delta, delta]
    assert [text.get_text() for text in ax.get_legend().get_texts()][::2] == ["smooth L1, δ = 0.2", "ASL1, μ = 0.05"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("residual |d|", "loss, gradient norm")


@pytest.mark.parametrize("settings", [{"mu": 0.0}, {"delta": -1.0}, {"mu": float("nan")}, {"delta": float("inf")}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]):
    with pytest.raises(ValueError, match=f"`{next(iter(settings))}` to be (above|at least) 0 and finite"):
        plot_regression_losses(**settings)


def test_no_residual_is_refused():
    with pytest.raises(ValueError, match="at least one residual"):
        plot_reweighted_regression(EDGES, np.zeros(1000))


def test_both_draw_on_given_axes():
    fig = Figure()
    ax = fig.add_subplot()
    assert plot_regression_losses(ax=ax) == (fig, ax)
    assert plot_reweighted_regression(EDGES, COUNTS, ax=ax) == (fig, ax)
