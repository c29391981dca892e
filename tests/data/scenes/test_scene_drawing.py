from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from torchghm.data.scenes.scene_drawing import FEWEST, MOST, class_frequencies, draw_scene
from torchghm.data.scenes.scene_sources import digits

SIZE = (160, 213)
GREY = [Image.new("RGB", (400, 300), (110, 120, 130))]


@pytest.fixture(scope="module")
def scans():
    return digits((1.0,), seed=0)[0]


def scenes(scans, count=40, size=SIZE):
    return [draw_scene(np.random.default_rng(seed), size, GREY, scans) for seed in range(count)]


def test_boxes_are_tight_around_the_ink(scans):
    """On a plain background all that differs from it is ink."""
    for scene in scenes(scans):
        distance = np.abs(scene.image.astype(int) - GREY[0].getpixel((0, 0))).max(axis=2)
        covered = np.zeros(SIZE, bool)
        for x1, y1, x2, y2 in scene.boxes:
            covered[y1:y2, x1:x2] = True
            inside = distance[y1:y2, x1:x2]
            # Ink on every edge of the box, and plenty of it within.
            assert min(inside[0].max(), inside[-1].max(), inside[:, 0].max(), inside[:, -1].max()) > 5
            assert inside.max() > 40
        assert distance[~covered].max() == 0


def test_objects_are_few_of_many_sizes_and_apart(scans):
    drawn = scenes(scans, 100)
    counts = [len(scene.boxes) for scene in drawn]
    assert set(counts) >= set(range(FEWEST, MOST))
    assert max(counts) <= MOST  # where no place is free there are fewer
    sides = np.concatenate([(scene.boxes[:, 2:] - scene.boxes[:, :2]).max(axis=1) for scene in drawn])
    assert 32 <= sides.min() < 42
    assert 65 < sides.max() <= 85
    for scene in drawn:
        for index, a in enumerate(scene.boxes):
            for b in scene.boxes[:index]:
                shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
                assert shared <= 0.1 * min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod())


def test_classes_have_a_long_tail(scans):
    frequencies = class_frequencies()
    assert frequencies.sum() == pytest.approx(1)
    assert frequencies[0] / frequencies[9] == pytest.approx(10)
    assert (np.diff(frequencies) < 0).all()
    labels = np.concatenate([scene.labels for scene in scenes(scans, 200)])
    np.testing.assert_allclose(np.bincount(labels, minlength=10) / len(labels), frequencies, atol=0.04)


@pytest.mark.parametrize("size", [(80, 80), (80, 400), (400, 80)])
def test_extreme_sizes(scans, size):
    for scene in scenes(scans, 10, size):
        assert scene.image.shape == (*size, 3)
        assert (scene.boxes >= 0).all()
        assert (scene.boxes[:, 2:] <= size[::-1]).all()
