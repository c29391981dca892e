from __future__ import annotations

import math

import numpy as np
import pytest

from torchghm.data.repairing.annotation_columns import Columns, column, incomplete


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [(40, 30, [40, 30]), ("40", 30.0, [40, 30]), (40, None, [0, 0]), (40.5, 30, [0, 0]), (True, 30, [0, 0]),
     (-40, 30, [0, 0]), ("wide", 30, [0, 0]), (2**31, 30, [0, 0]), (math.nan, 30, [0, 0])],
)  # fmt: skip
def test_stated_sizes_are_whole_numbers_or_unknown_both(width, height, sizes):
    columns = Columns()
    assert columns.add_image("a.png", "labels.csv", 7, width, height) == 0
    assert columns.add_image("b.png", "labels.csv", 8) == 1
    assert columns.sizes.tolist() == [*sizes, 0, 0]
    assert columns.image_ids.tolist() == [7, 8]


def test_boxes_at_once_are_boxes_one_by_one():
    one, many = Columns(), Columns()
    images, labels, references = np.array([0, 0, 2]), np.array([1, 0, 2], np.int32), np.array([5, 6, 7])
    boxes = np.arange(24, dtype=np.float64).reshape(3, 8)[:, ::2]  # not contiguous
    for image, box, label, reference in zip(images, boxes, labels, references, strict=True):
        one.add_box(image, box, label, reference)
    many.add_boxes(images, boxes, labels, references)
    assert vars(many) == vars(one)
    np.testing.assert_array_equal(column(many.coordinates, np.float64).reshape(-1, 4), boxes)


def test_a_box_that_lacks_a_corner_is_marked():
    columns = Columns()
    columns.add_box(0, (1, 2, 3, 4), 0, 1)
    columns.add_box(0, incomplete((1, None, 3, 4)), 0, 2, partly=True)
    columns.add_lost(0, 3)
    assert columns.partly.tolist() == [1]
    assert [math.isnan(value) for value in columns.coordinates[4:]] == [False, True, False, False]
    assert columns.lost.tolist() == [0, 0, 0]
