from __future__ import annotations

import pytest

from torchghm.data.repairing.label_text import numbers_of

CLASSES = ("hen", "owl", "snowy owl", "7")


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("0,0.1,0.2,0.3,0.4", [0, 0.1, 0.2, 0.3, 0.4]),
        ("0, .1, .2, 3e-1, 0.4,", [0, 0.1, 0.2, 0.3, 0.4]),
        ("0 0,1 0,2 0,3 0,4", [0, 0.1, 0.2, 0.3, 0.4]),
        ("0;0,1;0,2;0,3;0,4;", [0, 0.1, 0.2, 0.3, 0.4]),
        ("owl 0.1 0.2 0.3 0.4", [1, 0.1, 0.2, 0.3, 0.4]),
        ("Snowy Owl 0.1 0.2 0.3 0.4", [2, 0.1, 0.2, 0.3, 0.4]),
        ('"hen",0.1,0.2,0.3,0.4', [0, 0.1, 0.2, 0.3, 0.4]),
        ("hen 0,1 0,2 0,3 0,4", [0, 0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_lines_that_mean_numbers(line, numbers):
    assert numbers_of(line, CLASSES)[0] == numbers


@pytest.mark.parametrize(
    "line",
    [
        "gnu 0.1 0.2 0.3 0.4",
        "0 a b c d",
        "0 1_0 1 1 1",
        "hens 0.1 0.2 0.3 0.4",
        "hen",
        "",
        "0.1 0.2 hen 0.3",
        "nan,1,1,1,1",
    ],
)
def test_lines_that_do_not(line):
    assert numbers_of(line, CLASSES) is None


def test_names_that_differ_by_case_alone_are_not_chosen_between():
    assert numbers_of("HEN 0.1 0.2 0.3 0.4", ("hen", "Hen")) is None
