from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from torchghm.data.repairing.boxes import SMALLEST_SIDE, clean_boxes

WIDTHS, HEIGHTS = np.array([40]), np.array([30])


@pytest.mark.parametrize(
    ("box", "kind", "clipped"),
    [
        ([1, 2, 3, 4], None, [1, 2, 3, 4]),
        ([0, 0, 40, 30], None, [0, 0, 40, 30]),
        ([-0.001, 0, 40.001, 30], None, [0, 0, 40, 30]),
        ([-1, 0, 41, 30], "box-clipped", [0, 0, 40, 30]),
        ([3, 2, 3.5, 4], "box-below-a-pixel-wide", [3, 2, 3.5, 4]),
        ([3, 2, 9, 2.9], "box-below-a-pixel-wide", None),
        ([3, 2, 4, 3], None, [3, 2, 4, 3]),
        ([3, 2, 1, 4], "box-without-area", None),
        ([3, 2, 3, 4], "box-without-area", None),
        ([40, 2, 50, 4], "box-outside", None),
        ([39.999, 2, 50, 4], "box-outside", None),
        ([np.inf, 2, np.inf, 4], "box-not-finite", None),
        ([-1e308, -1e308, 1e308, 1e308], "box-clipped", [0, 0, 40, 30]),
    ],
)
def test_kinds(box, kind, clipped):
    cleaned, faults = clean_boxes(np.array([box], np.float64), WIDTHS, HEIGHTS)
    assert [what for what, concerned in faults.items() if concerned[0]] == ([kind] if kind else [])
    if clipped is not None:
        assert cleaned[0].tolist() == clipped


anything = st.one_of(st.floats(), st.floats(-100, 100), st.integers(-5, 45).map(float))


@given(arrays(np.float64, st.tuples(st.integers(0, 8), st.just(4)), elements=anything))
def test_whatever_is_kept_can_be_learned_from(boxes):
    cleaned, faults = clean_boxes(boxes, np.full(len(boxes), 40), np.full(len(boxes), 30))
    assert (np.sum(list(faults.values()), axis=0) <= 1).all()
    kept = cleaned[~(faults["box-not-finite"] | faults["box-without-area"] | faults["box-outside"])]
    assert kept.dtype == np.float32
    assert np.isfinite(kept).all()
    assert (kept >= 0).all()
    assert (kept <= [40, 30, 40, 30]).all()
    assert (kept[:, 2:] - kept[:, :2] >= SMALLEST_SIDE * 0.99).all()
    inside = (boxes >= 0).all(axis=1) & (boxes <= [40, 30, 40, 30]).all(axis=1)
    untouched = inside & (boxes[:, 2:] - boxes[:, :2] > 2 * SMALLEST_SIDE).all(axis=1)
    assert not np.any([concerned & untouched for what, concerned in faults.items() if what != "box-below-a-pixel-wide"])
    np.testing.assert_array_equal(cleaned[untouched], boxes[untouched].astype(np.float32))


@given(start=st.floats(0, 300_000), side=st.floats(0.009, 0.05))
def test_boxes_that_pass_have_an_area_and_pass_again(start, side):
    """In float32 a thin box far from the corner is thinner or wider, or nothing."""
    width = np.array([400_000])
    boxes = np.array([[start, 0, start + side, 9]])
    cleaned, faults = clean_boxes(boxes, width, width)
    again, faults_again = clean_boxes(cleaned.astype(np.float64), width, width)
    if not any(of_kind[0] for of_kind in faults.values()):
        assert cleaned[0, 2] > cleaned[0, 0]
        assert not any(of_kind[0] for of_kind in faults_again.values())
        np.testing.assert_array_equal(again, cleaned)
