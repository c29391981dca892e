from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from torchghm.report import (
    plot_gradient_norm_distribution,
    plot_gradient_share,
    plot_reweighted_classification,
)
from torchghm.report.figures.palette import color
from torchghm.report.gradient_table import region_counts

G = (np.arange(1000) + 0.5) / 1000
POSITIVE = np.round(20 * (1 - G))
NEGATIVE = np.round(1e6 * np.exp(-G / 0.01) + 3)


def curves(ax) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in ax.get_lines()}


def test_the_distribution_shows_every_example_on_a_logarithmic_scale():
    fig, ax = plot_gradient_norm_distribution({"negatives": NEGATIVE, "positives": POSITIVE})
    assert isinstance(fig, Figure)
    assert ax.get_yscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("gradient norm g", "examples (log)")
    patches = [patch for patch in ax.patches if isinstance(patch, StepPatch)]
    assert [patch.get_data().values.sum() for patch in patches] == [NEGATIVE.sum(), POSITIVE.sum()]
    assert [len(patch.get_data().values) for patch in patches] == [50, 50]
    assert patches[0].get_label() == f"negatives ({NEGATIVE.sum():,.0f})"


def test_cross_entropy_is_the_identity():
    _, ax = plot_reweighted_classification(POSITIVE, NEGATIVE)
    assert list(curves(ax)) == ["CE", "focal", "GHM-C", "GHM-C as published"]
    g, reweighted = curves(ax)["CE"]
    np.testing.assert_array_equal(g, reweighted)
    assert ax.get_yscale() == "log"
    assert ax.get_xlim() == (0, 1)


def test_the_harmonized_gradient_times_density_is_level():
    _, ax = plot_reweighted_classification(POSITIVE, NEGATIVE, bins=10)
    g, reweighted = curves(ax)["GHM-C as published"]
    density = np.repeat(region_counts(POSITIVE + NEGATIVE, 10), 100)
    weight_times_density = reweighted / g * density
    np.testing.assert_allclose(weight_times_density, weight_times_density[0])


def test_with_the_cap_all_but_the_crowd_weigh_the_same():
    _, ax = plot_reweighted_classification(POSITIVE, NEGATIVE, bins=10)
    g, reweighted = curves(ax)["GHM-C"]
    weight = reweighted / g
    np.testing.assert_allclose(weight[100:], weight[100])
    assert (weight[:100] < 0.2 * weight[100]).all()


def test_every_loss_has_the_same_total():
    _, ax = plot_reweighted_classification(POSITIVE, NEGATIVE)
    totals = [np.nansum((POSITIVE + NEGATIVE) * reweighted) for _, reweighted in curves(ax).values()]
    np.testing.assert_allclose(totals, totals[0])


def test_focal_with_gamma_0_and_one_region_are_cross_entropy():
    _, ax = plot_reweighted_classification(POSITIVE, NEGATIVE, bins=1, gamma=0.0)
    lines = curves(ax)
    np.testing.assert_allclose(lines["focal"][1], G)
    np.testing.assert_allclose(lines["GHM-C"][1], G)


def test_empty_regions_are_not_drawn():
    only_easy = np.where(G < 0.5, 5.0, 0.0)
    _, ax = plot_reweighted_classification(np.zeros(1000), only_easy, bins=10)
    np.testing.assert_array_equal(np.isnan(curves(ax)["GHM-C"][1]), G > 0.5)


def test_losses_keep_their_colours():
    _, ax = plot_reweighted_classification(POSITIVE, NEGATIVE)
    assert [line.get_color() for line in ax.get_lines()] == [
        color(name) for name in ("ce", "focal", "ghmc", "ghmc_published")
    ]


@pytest.mark.parametrize("draw", [plot_reweighted_classification, plot_gradient_share])
def test_malformed_counts_are_refused(draw):
    with pytest.raises(ValueError, match="at least one example"):
        draw(np.zeros(10), np.zeros(10))
    with pytest.raises(ValueError, match="`negative` to have 10 counts"):
        draw(np.ones(10), np.ones(9))
    with pytest.raises(ValueError, match="`positive` to hold finite counts"):
        draw([np.nan], [1])
    with pytest.raises(ValueError, match="`positive` to be a list of counts"):
        draw([[1.0]], [1])
    with pytest.raises(ValueError, match="`bins` to be an integer of at least 1"):
        draw([1], [1], bins=0)


def test_a_distribution_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one group"):
        plot_gradient_norm_distribution({})


def test_all_draw_on_given_axes():
    fig = Figure()
    for draw in (
        lambda ax: plot_gradient_norm_distribution({"all": NEGATIVE}, ax=ax),
        lambda ax: plot_reweighted_classification(POSITIVE, NEGATIVE, ax=ax),
        lambda ax: plot_gradient_share(POSITIVE, NEGATIVE, ax=ax),
    ):
        ax = fig.add_subplot()
        assert draw(ax) == (fig, ax)
