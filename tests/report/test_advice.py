"""Advice that follows from the counts of a dry pass."""

from __future__ import annotations

import numpy as np
import pytest

from torchghm.report.advice import advice_of, facts_of

CELLS = 60


def facts_from(positive, negative, residual=(0.1, 0.2, 0.3)):
    """Make the facts of two batches each of ``positive`` and ``negative``: counts by cell."""

    def counts(cells):
        one = np.zeros((2, CELLS))
        for cell, number in cells.items():
            one[:, cell] = number
        return one

    return facts_of(counts(positive), counts(negative), np.array(residual, dtype=float))


def test_facts_by_hand():
    # Regions are two cells wide: 990 negatives in the first, 6 in the second, 4 positives in the last.
    facts = facts_from({59: 4}, {0: 990, 2: 6})
    assert (facts.examples, facts.positives, facts.occupied) == (1000, 4, 3)
    assert facts.quieted == 0.99  # the first region, which holds more than ten negatives a positive
    assert facts.density_error == 0
    first, second, last = 0.5 / 60, 2.5 / 60, 59.5 / 60  # gradient norms
    assert facts.positive_share["ce"] == pytest.approx(4 * last / (990 * first + 6 * second + 4 * last))
    # The first region counts for ten examples a positive.
    assert facts.positive_share["ghmc"] == pytest.approx(4 * last / (40 * first + 6 * second + 4 * last))
    assert facts.positive_share["ghmc_published"] == pytest.approx(last / (first + second + last))
    assert facts.residual == pytest.approx(0.2)
    assert facts.saturated == 1


def test_the_error_of_a_density_is_its_spread_over_batches():
    facts = facts_from({59: (2, 6)}, {0: 96, 2: (2, 0)})
    # fractions 96/100 and 96/102 in the first region, 2/100 and 0 in the second, 2/100 and 6/102 in the last
    one, other = 2 / 100, 6 / 102
    spread = abs(one - other) / 2**0.5  # the standard deviation of two
    assert facts.density_error == pytest.approx(spread / ((one + other) / 2))


def test_a_crowd_of_negatives_makes_ghm_worth_a_comparison():
    (first, *rest) = advice_of(facts_from({59: 40}, {0: 9900, 2: 60}, residual=(0.001,) * 3))
    assert first.startswith("GHM-C (loss.cls=ghmc) would quiet 99.0% of the examples")
    assert rest == []


def test_without_a_crowd_there_is_nothing_to_quiet():
    advice = advice_of(facts_from({59: 400}, {0: 990}, residual=()))
    assert len(advice) == 1
    assert "1 example in 3 is positive: there is no crowd" in advice[0]


def test_rough_densities_few_positives_and_a_small_mu_are_named():
    advice = advice_of(facts_from({59: (0, 4)}, {0: 990, 2: (12, 0)}))
    assert [sentence.split(" ")[0] for sentence in advice] == ["GHM-C", "GHM-C", "A", "GHM-R's"]
    assert "the density of one is off by 141%" in advice[1]
    assert "A batch has 2 positives" in advice[2]
    assert "loss.box_options.mu=0.2 is" in advice[3]


def test_nothing_seen_is_refused():
    with pytest.raises(ValueError, match="at least one example"):
        facts_from({}, {})
