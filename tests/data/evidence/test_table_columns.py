from __future__ import annotations

import numpy as np
import pytest

from torchghm.data.evidence.table_columns import (
    CLASS_FIRST,
    KERAS,
    class_column,
    number_of,
    split_column,
    without_header,
)


def some_boxes(count: int, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 300, (count, 2))
    return [
        [str(side) for side in box] for box in np.concatenate([low, low + rng.integers(5, 200, (count, 2))], axis=1)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [["cat", "dog"], ["0", "1"], ["7"], [str(number) for number in range(80)]])
def test_the_class_is_first_or_last(classes, seed):
    boxes = some_boxes(40, seed)
    names = [classes[at % len(classes)] for at in range(40)]
    first = [["a.jpg", name, *box] for name, box in zip(names, boxes, strict=True)]
    last = [["a.jpg", *box, name] for name, box in zip(names, boxes, strict=True)]
    assert without_header(first) == CLASS_FIRST
    assert without_header(last) == KERAS


@pytest.mark.parametrize("rows", [[], [["a.jpg", "", "", "", "", ""]], [["a.jpg", "1"]]])
def test_lines_that_tell_nothing(rows):
    assert without_header(rows) == KERAS


def test_names_of_classes_go_before_numbers():
    rows = [["a.jpg", "0", "cat"], ["b.jpg", "1", ""], ["c.jpg", "1"]]
    assert class_column(rows, (1, 2)) == 2
    assert class_column(rows, (1,)) == 1
    assert class_column([["a.jpg", "0", "3"]], (1, 2)) == 1


@pytest.mark.parametrize(("text", "number"), [("1,5", 1.5), (" 2 ", 2), ("-3,25", -3.25), ("1e1", 10)])
def test_numbers(text, number):
    assert number_of(text) == number


@pytest.mark.parametrize("text", ["", "a", "1_0", "1,2,3", "nan"])
def test_what_is_no_number(text):
    assert np.isnan(number_of(text))


def test_a_column_of_splits_is_told_by_what_is_in_it():
    rows = [["a.jpg", "train", "x"], ["b.jpg", "Validation", "train"], ["c.jpg", "", "train"]]
    assert split_column(rows, (0,)) == 1
    assert split_column(rows, (0, 1)) is None
    assert split_column([["train"], ["train"]], ()) is None
