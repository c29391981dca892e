from __future__ import annotations

import pytest

from torchghm.results.difference import Difference


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.03, "better"),
        (-0.03, -0.01, "worse"),
        (-0.01, 0.03, "no difference shown"),
        (0.0, 0.03, "no difference shown"),
        (-0.03, 0.0, "no difference shown"),
        (None, None, "one seed: no interval"),
    ],
)
def test_the_interval_decides_what_is_said(low: float | None, high: float | None, verdict: str):
    assert Difference(0.0, low, high).verdict == verdict


def test_a_metric_that_was_not_measured():
    assert Difference(None, None, None).verdict == "not measured"
