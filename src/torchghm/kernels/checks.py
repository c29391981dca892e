"""A kernel reads what it is told is there: shapes, dtypes and devices are checked before."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice
from torchghm.functional.examples import Activation, compute_dtype


def check_examples(
    logits: Tensor, targets: Tensor, weight: Tensor | None, activation: Activation
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return logits, targets and weight, contiguous and of a dtype that a kernel reads.

    Raises:
        ValueError: shapes or devices that don't fit.
        TypeError: targets of a dtype that no kernel reads.
    """
    check_choice("activation", activation, ("sigmoid", "softmax"))
    if logits.dim() != 2:
        raise ValueError(f"Expected argument `logits` to be [R, K], but got {list(logits.shape)}.")
    if targets.is_floating_point():
        expected_shape = logits.shape
        if targets.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            raise TypeError(
                f"Expected argument `targets` to be integers or float16 to float64, but got {targets.dtype}."
            )
    else:
        expected_shape = logits.shape[:1]
        targets = targets.to(torch.int64)
    if targets.shape != expected_shape:
        raise ValueError(
            f"Expected argument `targets` to be int64 {list(logits.shape[:1])} or floating-point "
            f"{list(logits.shape)}, but got {targets.dtype} {list(targets.shape)}."
        )
    _check_device("targets", targets, logits)
    shapes = (logits.shape[:1], logits.shape) if activation == "sigmoid" else (logits.shape[:1],)
    return packed(logits), packed(targets), _check_weight(weight, logits, shapes)


def check_residual(residual: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return the residual and its weight, contiguous.

    Raises:
        ValueError: shapes or devices that don't fit.
    """
    return packed(residual), _check_weight(weight, residual, (residual.shape,))


def check_table(table: Tensor, inputs: Tensor) -> Tensor:
    """Return the table, contiguous.

    Raises:
        ValueError: a table that is not [regions], is empty, or lies on another device.
    """
    if table.dim() != 1 or table.numel() == 0:
        raise ValueError(f"Expected argument `table` to hold one number for each region, but got {list(table.shape)}.")
    _check_device("table", table, inputs)
    return table.contiguous()


def packed(tensor: Tensor) -> Tensor:
    """The tensor with its numbers side by side, and negated where it is a view whose sign is still to come."""
    return tensor.contiguous().resolve_neg()


def _check_weight(weight: Tensor | None, inputs: Tensor, shapes: tuple[torch.Size, ...]) -> Tensor | None:
    """The weight in the dtype of the arithmetic."""
    if weight is None:
        return None
    if weight.shape not in shapes:
        expected = " or ".join(str(list(shape)) for shape in shapes)
        raise ValueError(f"Expected argument `weight` to be None or {expected}, but got {list(weight.shape)}.")
    _check_device("weight", weight, inputs)
    return packed(weight.to(compute_dtype(inputs)))


def _check_device(argument: str, tensor: Tensor, inputs: Tensor) -> None:
    if tensor.device != inputs.device:
        raise ValueError(
            f"Expected argument `{argument}` to be on the device of the logits or residuals, {inputs.device}, "
            f"but got {tensor.device}."
        )
