from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from torchghm.data.repairing.coco_boxes import mask_box, read_bbox


@pytest.mark.parametrize("seed", range(40))
def test_boxes_of_masks_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 70, 2)
    pixels = np.zeros((height, width), np.uint8, order="F")
    for _ in range(rng.integers(1, 4)):
        y, x = rng.integers(0, height), rng.integers(0, width)
        pixels[y : y + rng.integers(1, 30), x : x + rng.integers(1, 30)] = 1
    encoded = coco_mask.encode(pixels)
    text = {"size": [int(height), int(width)], "counts": encoded["counts"].decode()}
    flat = pixels.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    runs = np.diff(np.concatenate([[0], edges, [len(flat)]]))
    expected = coco_mask.toBbox(encoded).tolist()
    assert list(mask_box(text)) == expected
    assert list(mask_box({"size": [int(height), int(width)], "counts": runs.tolist()})) == expected


def test_boxes_of_polygons():
    assert mask_box([[1, 2, 5, 2, 5, 9], [0, 3, 2, 3, 2, 4]]) == (0, 2, 5, 7)
    assert mask_box([1, 2, 5, 2, 5, 9]) == (1, 2, 4, 7)


@pytest.mark.parametrize(
    "mask",
    [None, [], [[]], [[1, 2]], [[1, 2, 3, 4, 5]], [["x"] * 6], "text", 5, {}, {"size": [3, 3]}, [[1, 1, 1, 1, 1, 1]],
     {"size": [3], "counts": [1]}, {"size": [3, 3], "counts": [1, -1]}, {"size": [3, 3], "counts": [5, 50]},
     {"size": [3, 3], "counts": [9]}, {"size": [3, 3], "counts": "\u00e4"}, [[float("nan")] * 6]],
)  # fmt: skip
def test_masks_without_a_box(mask):
    assert mask_box(mask) is None


@pytest.mark.parametrize(
    ("bbox", "box", "how"),
    [
        ([1, 2.5, 3, 4], (1, 2.5, 3, 4), ""),
        (["1", 2, "3.5", 4], (1, 2, 3.5, 4), "numbers as text"),
        ([[1, 2, 3, 4]], (1, 2, 3, 4), "a list in a list"),
        ({"x": 1, "y": 2, "w": 3, "h": 4}, (1, 2, 3, 4), "an object"),
        ({"left": "1", "top": 2, "width": 3, "height": 4}, (1, 2, 3, 4), "an object"),
        (None, None, "box-missing"),
        ([], None, "box-missing"),
        ([1, 2, 3], None, "box-not-numbers"),
        ([1, 2, 3, "x"], None, "box-not-numbers"),
        ([1, 2, 3, "1_0"], None, "box-not-numbers"),
        ([1, 2, 3, True], None, "box-not-numbers"),
        ([1, 2, 3, None], None, "box-not-numbers"),
        ({"x": 1}, None, "box-not-numbers"),
        ("1 2 3 4", None, "box-not-numbers"),
    ],
)
def test_boxes_in_any_writing(bbox, box, how):
    assert read_bbox(bbox) == (box, how)
