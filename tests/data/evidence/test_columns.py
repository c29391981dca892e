from __future__ import annotations

import numpy as np
import pytest

from torchghm.data.evidence.columns import tell


def some_boxes(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.02, 0.4, (count, 2))
    return np.concatenate([rng.uniform(sides / 2, 1 - sides / 2), sides], axis=1)


def polygons(boxes: np.ndarray, points: int, seed: int = 0) -> np.ndarray:
    """Points around the middle of each box, in order, the box's size apart."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, (len(boxes), points)), axis=1)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=2) / 2
    return (boxes[:, None, :2] + circle * boxes[:, None, 2:]).reshape(len(boxes), -1)


def key_points(boxes: np.ndarray, points: int, dimensions: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    places = boxes[:, None, :2] + rng.uniform(-0.5, 0.5, (len(boxes), points, 2)) * boxes[:, None, 2:]
    if dimensions == 3:
        visible = rng.integers(0, 3, (len(boxes), points, 1))
        places = np.concatenate([np.where(visible == 0, 0, places), visible], axis=2)
    return np.concatenate([boxes, places.reshape(len(boxes), -1)], axis=1)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("points", [3, 4, 5, 8, 20])
def test_polygons_are_polygons_whatever_their_number_of_points(points, seed):
    lines = polygons(some_boxes(40, seed), points, seed)
    found = tell(lines, key_points=0, alone=True)
    assert found.usual
    xs, ys = lines[:, 0::2], lines[:, 1::2]
    low, high = found.boxes[:, :2] - found.boxes[:, 2:] / 2, found.boxes[:, :2] + found.boxes[:, 2:] / 2
    np.testing.assert_allclose(low, np.stack([xs.min(axis=1), ys.min(axis=1)], axis=1))
    np.testing.assert_allclose(high, np.stack([xs.max(axis=1), ys.max(axis=1)], axis=1))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("points", [1, 2, 5, 17])
def test_key_points_behind_a_box_are_told_from_polygons(points, dimensions, seed):
    boxes = some_boxes(30, seed)
    found = tell(key_points(boxes, points, dimensions, seed), key_points=0, alone=True)
    np.testing.assert_array_equal(found.boxes, boxes)
    assert not found.usual


def test_small_polygons_in_the_middle_that_could_be_key_points_are_doubtful_at_most():
    boxes = some_boxes(30) * [0.1, 0.1, 0.2, 0.2] + [0.45, 0.45, 0, 0]
    assert not tell(polygons(boxes, 5), key_points=0, alone=True).usual
    # Among polygons of other numbers of points they are none of a pose.
    assert tell(polygons(boxes, 5), key_points=0, alone=False).usual


def test_confidence_and_track():
    boxes, rng = some_boxes(20), np.random.default_rng(0)
    confidence = rng.uniform(0, 1, (20, 1))
    for more, words in (([], "a confidence"), ([np.arange(20)[:, None]], "the number of a track")):
        found = tell(np.concatenate([boxes, confidence, *more], axis=1), key_points=0, alone=True)
        np.testing.assert_array_equal(found.boxes, boxes)
        assert words in found.words
        assert not found.usual


@pytest.mark.parametrize(
    ("more", "words"), [([45.0], "angle"), ([3.0, 7.0], "larger than 1"), ([0.3, 1.2, 0.4], "neither")]
)
def test_what_is_nothing_known_is_not_guessed(more, words):
    boxes = some_boxes(20)
    found = tell(np.concatenate([boxes, np.tile(more, (20, 1))], axis=1), key_points=0, alone=True)
    assert found.boxes is None
    assert words in found.words


def test_too_few_numbers():
    assert tell(np.ones((3, 2)), key_points=0, alone=True).boxes is None


def test_stated_key_points_are_believed():
    boxes = some_boxes(5)
    lines = np.concatenate([boxes, np.full((5, 6), 7.0)], axis=1)
    assert tell(lines, key_points=6, alone=False).usual
    assert tell(lines, key_points=9, alone=True).boxes is None


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("count", [1, 4, 40])
def test_rotated_boxes_in_the_middle_of_the_image_are_no_boxes_with_points(seed, count):
    """Their numbers are all about 0.5, so that the first four could be a box around the others."""
    rng = np.random.default_rng(seed)
    sides, angle = rng.uniform(0.02, 0.1, (count, 2)), rng.uniform(0, np.pi, count)
    across = np.stack([np.cos(angle), np.sin(angle)], axis=1) * sides[:, :1] / 2
    along = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * sides[:, 1:] / 2
    centres = rng.normal(0.5, 0.05, (count, 2))
    corners = [centres + a * across + b * along for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    found = tell(np.concatenate(corners, axis=1), key_points=0, alone=True)
    assert "a polygon of 4 points" in found.words
    np.testing.assert_allclose(found.boxes[:, :2], centres, atol=1e-9)
