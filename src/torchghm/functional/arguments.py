"""Checks of arguments: an error names the argument, what was expected and what came."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from torch import Tensor


def check_choice(argument: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise a ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"Expected argument `{argument}` to be one of {expected}, but got {value!r}.")


def check_number(argument: str, value: object, expected: str, *, ok: Callable[[Any], bool]) -> None:
    """Raise an error that names the argument unless ``value`` is a finite number that is ``ok``."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"Expected argument `{argument}` to be {expected}, but got {value!r}.")
    if not (-math.inf < float(value) < math.inf and ok(value)):
        raise ValueError(f"Expected argument `{argument}` to be {expected}, but got {value!r}.")


def check_integer(argument: str, value: object, least: int | None = None, *, expected: str | None = None) -> None:
    """Raise an error that names the argument unless ``value`` is an integer of at least ``least``.

    Arguments:
        argument: its name.
        value: what was given for it.
        least: the smallest integer allowed; None for any.
        expected: the words for what is allowed, where they say more than the number.
    """
    default = "an integer" if least is None else f"an integer of at least {least}"
    check_number(
        argument,
        value,
        expected or default,
        ok=lambda number: isinstance(number, int) and (least is None or number >= least),
    )


def check_flag(argument: str, value: object) -> None:
    """Raise a TypeError that names the argument unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"Expected argument `{argument}` to be True or False, but got {value!r}.")


def check_tensors(weight: object, **arguments: object) -> None:
    """Raise a TypeError that names the first argument that is no tensor; the weight may be None."""
    if weight is not None:
        arguments["weight"] = weight
    for name, value in arguments.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"Expected argument `{name}` to be a tensor, but got {type(value).__name__}.")


def check_harmonizing(
    bins: int, density: str, normalize: str, max_weight: float | None, nonfinite: str, reduction: str
) -> None:
    """Check the options that GHM-C and GHM-R share."""
    check_integer("bins", bins, 1)
    check_choice("density", density, ("regions", "exact"))
    check_choice("normalize", normalize, ("positives", "occupied", "regions"))
    if max_weight is not None and max_weight != math.inf:
        check_number("max_weight", max_weight, "None or a number above 0", ok=lambda value: value > 0)
    check_choice("nonfinite", nonfinite, ("propagate", "ignore", "raise"))
    check_choice("reduction", reduction, ("mean", "sum", "none"))
