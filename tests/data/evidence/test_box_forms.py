from __future__ import annotations

import numpy as np
import pytest

from torchghm.data.evidence.box_forms import doubts

FORMS = {
    "xyxy": lambda b: b,
    "xywh": lambda b: np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], axis=1),
    "cxcywh": lambda b: np.concatenate([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], axis=1),
}


def some_corners(count: int, seed: int, smallest: float = 0.02, largest: float = 0.5):
    """Corners in pixels of images of many sizes, and those sizes."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(40, 2000, (count, 2))
    sides = rng.uniform(smallest, largest, (count, 2))
    low = rng.uniform(0, 1 - sides)
    return np.concatenate([low, low + sides], axis=1) * np.tile(sizes, 2), sizes


def kinds(raw, sizes, form, unit="pixels", areas=None, labels=None):
    count = len(raw)
    labels = np.zeros(count, np.int64) if labels is None else labels
    return [doubt.what for doubt in doubts(raw, sizes, labels, np.zeros(count) if areas is None else areas, form, unit)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", ["pixels", "fractions"])
@pytest.mark.parametrize("form", FORMS)
def test_numbers_near_the_largest_float_are_judged_without_a_warning_of_numpy(form, unit):
    raw = np.array([[1.7e308, 1.7e308, 1.7e308, 1.7e308], [-1.7e308, 0.5, 1.7e308, 0.5], [0.4, 0.4, 0.2, 0.3]] * 2)
    kinds(raw, np.full((6, 2), [640, 480]), form, unit)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("sides", [(0.01, 0.05), (0.02, 0.5), (0.3, 0.95), (0.8, 1.0)])
@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_said_of_boxes_in_the_form_of_their_layout(form, sides, seed):
    corners, sizes = some_corners(60, seed, *sides)
    for unit in ("pixels", "fractions"):
        raw = FORMS[form](corners if unit == "pixels" else corners / np.tile(sizes, 2))
        labels = np.arange(60) % 7
        assert kinds(raw, sizes, form, unit, labels=labels) == []
        assert kinds(raw, sizes, form, unit, areas=(corners[:, 2:] - corners[:, :2]).prod(axis=1)) == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("sides", [(0.01, 0.05), (0.02, 0.5), (0.3, 0.95)])
@pytest.mark.parametrize("form", ["xywh", "cxcywh"])
def test_corners_are_known_by_where_they_end_or_by_how_they_go_together(form, sides, seed):
    corners, sizes = some_corners(60, seed, *sides)
    assert kinds(corners, sizes, form) == ["boxes-look-like-corners"]
    assert kinds(corners / np.tile(sizes, 2), sizes, form, "fractions") == ["boxes-look-like-corners"]


def test_stated_areas_tell_corners_where_nothing_else_does():
    corners = np.array([[10.0, 10, 40, 50], [50, 20, 90, 70], [12, 12, 42, 52]])
    sizes = np.full((3, 2), 1000)
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    assert kinds(corners, sizes, "xywh", areas=areas) == ["boxes-look-like-corners"]
    assert kinds(corners, sizes, "xywh", areas=corners[:, 2:].prod(axis=1)) == []
    assert kinds(corners, sizes, "xywh", areas=areas * 0.7) == []  # of masks: they say nothing


@pytest.mark.parametrize("seed", range(10))
def test_one_class_of_corners_among_others(seed):
    corners, sizes = some_corners(90, seed)
    labels = np.arange(90) % 3
    raw = np.where((labels == 1)[:, None], corners, FORMS["xywh"](corners))
    (doubt,) = doubts(raw, sizes, labels, np.zeros(90), "xywh", "pixels")
    assert doubt.what == "boxes-look-like-corners"
    np.testing.assert_array_equal(doubt.boxes, labels == 1)


@pytest.mark.parametrize("seed", range(10))
def test_sides_where_corners_are_expected(seed):
    corners, sizes = some_corners(60, seed)
    assert kinds(FORMS["xywh"](corners), sizes, "xyxy") == ["boxes-look-like-sides"]


@pytest.mark.parametrize("axis", [0, 1])
def test_corners_exchanged_along_one_axis_are_no_sides(axis):
    corners, sizes = some_corners(60, 0)
    corners[:, [axis, axis + 2]] = corners[:, [axis + 2, axis]]
    assert kinds(corners, sizes, "xyxy") == []


@pytest.mark.parametrize("form", FORMS)
def test_units(form):
    corners, sizes = some_corners(60, 1)
    fractions = FORMS[form](corners / np.tile(sizes, 2))
    assert kinds(fractions, sizes, form) == ["boxes-look-like-fractions"]
    assert kinds(FORMS[form](corners), sizes, form, "fractions") == ["boxes-look-like-pixels"]


def test_boxes_of_one_pixel_are_no_fractions():
    assert kinds(np.tile([0.0, 0, 1, 1], (20, 1)), np.full((20, 2), 100), "xywh") == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limits", [(640, 480), (1920, 1080), (640, 320), (70, 100)])
def test_exchanged_axes_are_told_by_whole_pixels(limits, seed, form):
    rng, sizes = np.random.default_rng(seed), np.tile(limits, (60, 1))
    low = rng.integers(0, sizes - 10)
    corners = np.concatenate([low, rng.integers(low + 5, sizes)], axis=1)
    raw = np.round(FORMS[form](corners / np.tile(limits, 2)), 6)
    assert kinds(raw, sizes, form, "fractions") == []
    assert kinds(raw[:, [1, 0, 3, 2]], sizes, form, "fractions") == ["axes-look-exchanged"]
    square = np.tile(limits[:1], (60, 2))
    assert kinds(raw[:, [1, 0, 3, 2]], square, form, "fractions") == []  # nothing tells them


def test_broken_numbers_and_unknown_sizes_say_nothing():
    raw = np.array([[np.nan] * 4, [np.inf] * 4, [1e308] * 4, [0.5] * 4])
    sizes = np.array([[100, 100], [100, 100], [0, 0], [0, 0]])
    for form in FORMS:
        assert kinds(raw, sizes, form) == []
    assert kinds(np.zeros((0, 4)), np.zeros((0, 2), np.int64), "xyxy") == []


@pytest.mark.parametrize("seed", range(10))
def test_corners_in_the_order_x_x_y_y_are_told(seed):
    corners, sizes = some_corners(60, seed)
    (doubt,) = doubts(corners[:, [0, 2, 1, 3]], sizes, np.zeros(60, np.int64), np.zeros(60), "xyxy", "pixels")
    assert doubt.what == "boxes-stick-out"
    assert "x1, x2, y1, y2" in doubt.words


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("form", FORMS)
def test_boxes_of_images_twice_as_large_are_told_from_objects_that_reach_out_of_theirs(form, seed):
    corners, sizes = some_corners(60, seed)
    assert kinds(FORMS[form](2 * corners), sizes, form) == ["boxes-of-another-size"]
    middle = np.tile((corners[:, :2] + corners[:, 2:]) / 2, 2)
    assert "boxes-of-another-size" not in kinds(FORMS[form](middle + 2 * (corners - middle)), sizes, form)


def test_of_very_many_boxes_some_are_judged_and_all_are_meant():
    corners, sizes = some_corners(120_000, seed=0)
    labels = np.zeros(len(corners), np.int64)
    (doubt,) = doubts(corners, sizes, labels, np.zeros(len(corners)), "xywh", "pixels")
    assert doubt.what == "boxes-look-like-corners"
    assert doubt.boxes.all()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("whole", [100, 1000])
@pytest.mark.parametrize("form", ["xyxy", "xywh"])
def test_percent_and_thousandths_of_larger_images_are_told(form, whole, seed):
    corners, sizes = some_corners(200, seed)
    shares = corners / np.tile(sizes, 2) * whole
    large = np.maximum(sizes, 2 * whole)
    assert kinds(FORMS[form](shares), large, form) == ["boxes-look-like-percent"]
    assert "boxes-look-like-percent" not in kinds(FORMS[form](shares[:19]), large[:19], form)
    assert "boxes-look-like-percent" not in kinds(FORMS[form](shares), np.maximum(sizes, whole), form)


def test_a_mark_that_is_in_the_corner_of_every_image_is_no_percent():
    rng = np.random.default_rng(0)
    marks = np.array([8, 6, 98, 94]) + rng.uniform(-2, 2, (50, 4))
    assert kinds(marks, np.full((50, 2), [640, 480]), "xyxy") == []
