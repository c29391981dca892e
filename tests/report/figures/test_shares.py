from __future__ import annotations

import numpy as np
import pytest

from torchghm.report import (
    gradient_shares,
    plot_gradient_share,
)
from torchghm.report.gradient_table import region_counts

G = (np.arange(1000) + 0.5) / 1000

POSITIVE = np.round(20 * (1 - G))

NEGATIVE = np.round(1e6 * np.exp(-G / 0.01) + 3)


@pytest.mark.parametrize(("name", "beta"), [("ghmc", [10 / 55, 1]), ("ghmc_published", [61 / 110, 61 / 12])])
def test_shares_against_a_loop_over_examples(name, beta):
    positive, negative = np.array([1.0, 0, 0, 0]), np.array([50.0, 4, 5, 1])
    shares = gradient_shares(positive, negative, bins=2, alpha=0.25, gamma=2)
    g = [0.125, 0.375, 0.625, 0.875]
    gradients = []  # of GHM-C: region, positive?, |gradient|
    for cell in range(4):
        gradients += [(cell // 2, True, beta[cell // 2] * g[cell])] * int(positive[cell])
        gradients += [(cell // 2, False, beta[cell // 2] * g[cell])] * int(negative[cell])
    total = sum(gradient for *_, gradient in gradients)
    of_ghmc = shares[name]
    np.testing.assert_allclose(of_ghmc.regions[1], sum(x for region, _, x in gradients if region == 1) / total)
    assert of_ghmc.positives == pytest.approx(sum(x for _, is_positive, x in gradients if is_positive) / total)
    assert of_ghmc.effective == pytest.approx(total**2 / sum(x * x for *_, x in gradients))
    for share in shares.values():
        assert share.regions.sum() == pytest.approx(1)


def test_focal_alpha_weighs_the_positives():
    counts = np.array([0.0, 10.0])
    assert gradient_shares(counts, counts, bins=2, alpha=0.25)["focal"].positives == pytest.approx(0.25)


def test_the_share_figure_draws_the_shares_over_the_crowd():
    _, ax = plot_gradient_share(POSITIVE, NEGATIVE, bins=10)
    shares = gradient_shares(POSITIVE, NEGATIVE, bins=10)
    crowd, *lines = [patch.get_data().values for patch in ax.patches]
    np.testing.assert_allclose(crowd, region_counts(POSITIVE + NEGATIVE, 10) / (POSITIVE + NEGATIVE).sum())
    for drawn, share in zip(lines, shares.values(), strict=True):
        np.testing.assert_allclose(drawn, share.regions)
    entries = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [entry.partition(" (")[0] for entry in entries] == [
        "examples", "CE", "focal", "GHM-C", "GHM-C as published"
    ]  # fmt: skip


def test_the_share_of_a_region_of_the_published_ghm_c_grows_with_g_however_few_its_examples():
    crowd = np.repeat(10.0 ** np.arange(9, -1, -1), 100)  # a tenth of the examples in each further region
    shares = gradient_shares(np.zeros(1000), crowd, bins=10)["ghmc_published"].regions
    np.testing.assert_allclose(shares, (2 * np.arange(10) + 1) / 100)
