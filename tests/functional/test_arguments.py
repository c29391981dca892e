"""Checks of arguments: each error names the argument, what was expected and what came."""

from __future__ import annotations

import math

import pytest
import torch

from torchghm.functional.arguments import (
    check_choice,
    check_flag,
    check_harmonizing,
    check_integer,
    check_number,
    check_tensors,
)

SHARED = {
    "bins": 10,
    "density": "regions",
    "normalize": "occupied",
    "max_weight": None,
    "nonfinite": "ignore",
    "reduction": "mean",
}


def is_positive(value):
    return value > 0


def test_choices_are_listed():
    check_choice("color", "red", ("red", "blue"))
    with pytest.raises(ValueError, match=r"`color` to be one of 'red', 'blue', but got 'green'"):
        check_choice("color", "green", ("red", "blue"))


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
def test_numbers_out_of_range_are_value_errors(value):
    with pytest.raises(ValueError, match="`gamma` to be above 0, but got"):
        check_number("gamma", value, "above 0", ok=is_positive)


@pytest.mark.parametrize("value", [True, "1", None, 1j])
def test_what_is_no_real_number_is_a_type_error(value):
    with pytest.raises(TypeError, match="`gamma` to be above 0, but got"):
        check_number("gamma", value, "above 0", ok=is_positive)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (2.5, ValueError), (1.0, ValueError), (True, TypeError)])
def test_integers(value, error):
    check_integer("bins", 1, 1)
    check_integer("class_dim", -1)
    with pytest.raises(error, match=f"`bins` to be an integer of at least 1, but got {value}"):
        check_integer("bins", value, 1)
    with pytest.raises(ValueError, match="`class_dim` to be an integer, but got 0.5"):
        check_integer("class_dim", 0.5)
    with pytest.raises(ValueError, match="`end` to be an integer above, but got 0"):
        check_integer("end", 0, 1, expected="an integer above")


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_a_flag_is_true_or_false(value):
    check_flag("sync", True)
    with pytest.raises(TypeError, match="`sync` to be True or False"):
        check_flag("sync", value)


def test_tensors_are_asked_for_by_name_and_a_weight_may_be_none():
    inputs = torch.zeros(2)
    check_tensors(inputs=inputs, targets=inputs, weight=None)
    with pytest.raises(TypeError, match="`targets` to be a tensor, but got list"):
        check_tensors(inputs=inputs, targets=[1, 0], weight=None)
    with pytest.raises(TypeError, match="`weight` to be a tensor, but got float"):
        check_tensors(inputs=inputs, targets=inputs, weight=0.5)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("bins", 0),
        ("density", "windows"),
        ("normalize", "all"),
        ("max_weight", 0),
        ("nonfinite", "skip"),
        ("reduction", "max"),
    ],
)
def test_the_shared_options_are_checked(argument, value):
    check_harmonizing(**SHARED)
    check_harmonizing(**{**SHARED, "max_weight": math.inf})
    with pytest.raises(ValueError, match=f"`{argument}`"):
        check_harmonizing(**{**SHARED, argument: value})
