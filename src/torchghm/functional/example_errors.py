"""Errors that name values of examples: targets out of range, negative weights, inputs that are not finite."""

from __future__ import annotations

from torch import Tensor

from torchghm.functional.examples import Activation, Examples, invalid_targets


def target_error(examples: Examples, ignore_index: int, count: int, *, activation: Activation) -> ValueError:
    """Return the error for ``count`` targets that are out of range."""
    classes, dense = examples.logits.shape[1], examples.targets.is_floating_point()
    if dense:
        expected = "values in [0, 1]"
    elif activation == "sigmoid":
        expected = f"class indices from 0 to {classes - 1}, -1 (background) or `ignore_index`"
    else:
        expected = f"class indices from 0 to {classes - 1} or `ignore_index`"
    others = examples.targets[invalid_targets(examples, ignore_index, activation=activation)]
    example, advice = f", for example {others[0].item():g}", ""
    if not dense and bool((others == 255).any()):
        example, advice = ", for example 255", " Where 255 means that there is no label: ignore_index=255."
    return ValueError(
        f"Expected argument `targets` to hold {expected}, but got {count} other value(s){example}.{advice}"
    )


def check_weight(weight: Tensor | None) -> None:
    """Raise a ValueError if a weight is negative (synchronises a GPU).

    Where there is none it costs nothing, and where every row has one, a look at those.
    """
    if weight is not None and weight.numel():
        least = float(weight.min())
        if least < 0:
            raise ValueError(f"Expected argument `weight` to hold numbers of at least 0, but got {least:g}.")


def nonfinite_error(count: int) -> ValueError:
    """Return the error for ``count`` inputs that are NaN or infinite."""
    return ValueError(
        f"Expected argument `inputs` to be finite, but got {count} value(s) that are NaN or infinite; "
        "nonfinite='ignore' leaves them out, nonfinite='propagate' lets the loss become NaN."
    )
