from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from torchghm.results.difference import Difference
from torchghm.training.comparison.statistics import Summary, paired_difference, summarize

PAIRS = [
    ([0.41, 0.43, 0.40], [0.40, 0.40, 0.41]),
    ([0.5, 0.6], [0.6, 0.5]),
    ([0.537, 0.541, 0.52, 0.55, 0.533], [0.42, 0.431, 0.415, 0.44, 0.409]),
]


def test_summary_by_hand():
    # (2 + 4 + 9) / 3 = 5; ((-3)^2 + (-1)^2 + 4^2) / 2 = 13
    assert summarize([2.0, 4.0, 9.0]) == Summary(5.0, pytest.approx(math.sqrt(13)))


def test_difference_by_hand():
    # d = 1, 2, 3: mean 2, std 1; t of 2 degrees of freedom at 0.975 is 4.302653 (every table): 4.302653 / sqrt 3
    difference = paired_difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert difference.mean == 2
    assert difference.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert difference.high == pytest.approx(2 + 2.484138, abs=1e-6)


@pytest.mark.parametrize(("values", "baseline"), PAIRS)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_interval_is_scipys(values, baseline, confidence):
    interval = stats.ttest_rel(values, baseline).confidence_interval(confidence)
    difference = paired_difference(values, baseline, confidence=confidence)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)


def test_verdict_agrees_with_the_test():
    values, baseline = PAIRS[2]
    assert stats.ttest_rel(values, baseline).pvalue < 0.05
    assert paired_difference(values, baseline).verdict == "better"
    assert paired_difference(baseline, values).verdict == "worse"
    values, baseline = PAIRS[0]
    assert stats.ttest_rel(values, baseline).pvalue > 0.05
    assert paired_difference(values, baseline).verdict == "no difference shown"


def test_one_seed_has_no_interval():
    assert summarize([0.5]) == Summary(0.5, None)
    difference = paired_difference([0.5], [0.25])
    assert difference == Difference(0.25, None, None)
    assert difference.verdict == "one seed: no interval"


def test_identical_values_have_an_interval_without_width():
    assert summarize([0.1] * 3) == Summary(0.1, 0.0)
    assert paired_difference([0.1] * 3, [0.1] * 3) == Difference(0.0, 0.0, 0.0)
    assert paired_difference([0.1] * 3, [0.1] * 3).verdict == "no difference shown"
    assert paired_difference([0.75] * 3, [0.5] * 3) == Difference(0.25, 0.25, 0.25)
    assert paired_difference([0.75] * 3, [0.5] * 3).verdict == "better"


def test_what_was_not_measured_stays_unknown():
    assert summarize([0.5, None]) == Summary(None, None)
    for values, baseline in (([None, 0.5], [0.25, 0.25]), ([0.5, 0.5], [0.25, None]), ([None], [None])):
        assert paired_difference(values, baseline) == Difference(None, None, None)
        assert paired_difference(values, baseline).verdict == "not measured"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(
        ValueError, match=r"`values` to be at least one finite number or None, but got \[0.5, (nan|inf)"
    ):
        summarize([0.5, bad])
    with pytest.raises(ValueError, match="`values`"):
        paired_difference([bad, None], [0.5, 0.5])
    with pytest.raises(ValueError, match="`baseline`"):
        paired_difference([0.5, 0.5], [0.5, bad])


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"`values`.*got \[\]"):
        summarize([])
    with pytest.raises(ValueError, match="`baseline` to have one number for each of the 2 of `values`, but got 1"):
        paired_difference([0.5, 0.5], [0.5])
    for confidence in (0, 1, 95, math.nan):
        with pytest.raises(ValueError, match="`confidence`"):
            paired_difference([0.5, 0.5], [0.5, 0.4], confidence=confidence)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_mean_lies_within_and_sides_are_exchangeable(pairs):
    values, baseline = ([pair[side] for pair in pairs] for side in (0, 1))
    there, back = paired_difference(values, baseline), paired_difference(baseline, values)
    assert there.low <= there.mean <= there.high
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
