"""The layout of examples: logits, targets and weights brought into one layout, rows of K classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_tensors

Activation = Literal["sigmoid", "softmax"]
Average = Literal["positives", "examples"]
Density = Literal["regions", "exact"]
Normalize = Literal["positives", "occupied", "regions"]
Nonfinite = Literal["propagate", "ignore", "raise"]
Reduction = Literal["mean", "sum", "none"]


class Examples(NamedTuple):
    """Logits and targets as R rows of K classes.

    With sigmoid every logit is an example (R * K of them), with softmax every row is one (R of them).
    """

    logits: Tensor
    """[R, K], any floating dtype."""
    targets: Tensor
    """[R] int64 (class index, -1 for background, ``ignore_index``), or [R, K] floating in [0, 1]."""
    weight: Tensor | None
    """None, [R] (one a row) or [R, K] (one a logit)."""


def arrange_examples(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    activation: Activation = "sigmoid",
    class_dim: int = -1,
) -> Examples:
    """Check shapes and dtypes, and view the arguments as rows of K classes.

    Arguments:
        inputs: logits [..., K], or with ``class_dim=1`` [N, K, ...].
        targets: integers shaped like ``inputs`` less the class axis, or floats (or booleans) shaped like it; the
            gradient stops at them.
        weight: None, or non-negative numbers shaped like ``inputs`` or like ``inputs`` less the class axis, which may
            be there with length 1.
        activation: ``"softmax"`` refuses one weight a logit, because there the row is the example.
        class_dim: the axis of ``inputs`` that holds the K classes.

    Raises:
        ValueError: shapes that don't fit, or an option that is not known.
        TypeError: dtypes that can't be read as logits, targets or weights.
    """
    check_choice("activation", activation, ("sigmoid", "softmax"))
    check_tensors(inputs=inputs, targets=targets, weight=weight)
    if not inputs.is_floating_point():
        raise TypeError(f"Expected argument `inputs` to be floating-point logits, but got {inputs.dtype}.")
    if inputs.dim() == 0:
        raise ValueError("Expected argument `inputs` to have a class axis, but got a scalar.")
    if not -inputs.dim() <= class_dim < inputs.dim():
        raise ValueError(
            f"Expected argument `class_dim` to be an axis of `inputs` {list(inputs.shape)}, but got {class_dim}."
        )
    row_shape = list(inputs.shape)
    classes = row_shape.pop(class_dim)

    def as_rows(tensor: Tensor) -> Tensor:
        if tensor.dim() == 2 and class_dim in (1, -1):
            return tensor  # without a view that autograd would have to follow
        return tensor.movedim(class_dim, -1).reshape(math.prod(row_shape), classes)

    if targets.is_floating_point() or targets.dtype == torch.bool:
        if targets.shape != inputs.shape:
            raise ValueError(
                f"Expected argument `targets` (floats) to be shaped like `inputs` {list(inputs.shape)}, "
                f"but got {list(targets.shape)}. Class indices must be integers."
            )
        arranged = as_rows(targets.to(inputs.dtype) if targets.dtype == torch.bool else targets.detach())
    elif targets.is_complex():
        raise TypeError(f"Expected argument `targets` to be integers or floats, but got {targets.dtype}.")
    elif classes == 0:
        raise ValueError(
            f"Expected argument `inputs` to have a class axis of at least 1, but got {list(inputs.shape)}."
        )
    else:
        if list(targets.shape) != row_shape:
            raise ValueError(
                f"Expected argument `targets` (integers) to be shaped like `inputs` less its class axis, "
                f"{row_shape}, but got {list(targets.shape)}. {_shape_advice(inputs, targets)}"
            )
        arranged = as_dtype(targets if targets.dim() == 1 else targets.flatten(), torch.int64)
    return Examples(
        as_rows(inputs), arranged, _arrange_weight(weight, inputs, row_shape, activation, as_rows, class_dim)
    )


def _shape_advice(inputs: Tensor, targets: Tensor) -> str:
    """Return what would fit: another class axis, or floats."""
    shape = list(inputs.shape)
    axes = [axis for axis in range(inputs.dim()) if shape[:axis] + shape[axis + 1 :] == list(targets.shape)]
    if axes:
        return f"They fit with class_dim={' or '.join(map(str, axes))}."
    return "Targets of 0 and 1 for every logit must be floats."


def _arrange_weight(
    weight: Tensor | None,
    inputs: Tensor,
    row_shape: list[int],
    activation: Activation,
    as_rows: Callable[[Tensor], Tensor],
    class_dim: int,
) -> Tensor | None:
    if weight is None:
        return None
    weight = weight.detach()
    if weight.shape != inputs.shape and weight.dim() == inputs.dim() and weight.shape[class_dim] == 1:
        weight = weight.squeeze(class_dim)  # [N, 1]: one a row
    if list(weight.shape) == [inputs.shape[class_dim]] != row_shape and weight.shape != inputs.shape:
        each = "weight[targets]" if activation == "softmax" else "weight.expand_as(inputs), the classes last"
        raise ValueError(
            f"Expected argument `weight` to hold a number for every row or logit, but got one for every class, "
            f"{list(weight.shape)}: give each example that of its class, {each}."
        )
    if weight.is_complex() or (weight.shape != inputs.shape and list(weight.shape) != row_shape):
        raise ValueError(
            f"Expected argument `weight` to be real and shaped like `inputs` {list(inputs.shape)} or like it "
            f"less the class axis, {row_shape}, but got {weight.dtype} {list(weight.shape)}."
        )
    weight = weight.to(compute_dtype(inputs))
    if list(weight.shape) == row_shape:
        return weight.reshape(-1)
    if activation == "softmax":
        raise ValueError(
            f"Expected argument `weight` to hold one number for each softmax example, {row_shape}, "
            f"but got {list(weight.shape)}."
        )
    return as_rows(weight)


def valid_rows(examples: Examples, ignore_index: int, *, activation: Activation) -> Tensor:
    """Which rows hold an example: [R] bool, or [R, 1] for sigmoid so that it broadcasts over the classes."""
    if examples.targets.is_floating_point():
        valid = torch.ones(examples.logits.shape[0], dtype=torch.bool, device=examples.logits.device)
    else:
        lowest = -1 if activation == "sigmoid" else 0
        in_range = (examples.targets >= lowest) & (examples.targets < examples.logits.shape[1])
        valid = in_range & (examples.targets != ignore_index)
    return valid if activation == "softmax" else valid[:, None]


def positive_weight(examples: Examples, ignore_index: int, *, leave_out_nonfinite: bool = False) -> Tensor:
    """The sum of w p* over sigmoid examples: the number of positives, a scalar of float64 (float32 on MPS).

    Arguments:
        examples: with one weight a row or a logit, or none.
        ignore_index: the integer target of rows that are left out.
        leave_out_nonfinite: whether examples of non-finite logits are, too.
    """
    logits, targets, weight = examples
    dtype = torch.float32 if logits.device.type == "mps" else torch.float64
    if targets.is_floating_point():
        amount = targets if weight is None else targets * (weight if weight.dim() == 2 else weight[:, None])
        if leave_out_nonfinite:
            amount = amount.where(logits.isfinite(), 0.0)
        return amount.sum(dtype=compute_dtype(amount)).to(dtype)  # a sum in another dtype copies all of it first
    labelled = (targets >= 0) & (targets < logits.shape[1])
    if 0 <= ignore_index < logits.shape[1]:
        labelled = labelled & (targets != ignore_index)

    def of_positives(values: Tensor) -> Tensor:
        return values.gather(1, targets.where(labelled, 0)[:, None])[:, 0]

    if leave_out_nonfinite:
        labelled = labelled & of_positives(logits).isfinite()
    if weight is None:
        return labelled.sum().to(dtype)  # counted in integers: ten times as fast
    own = weight if weight.dim() == 1 else of_positives(weight)
    return own.where(labelled, 0.0).sum(dtype=dtype)


def positives(examples: Examples, like: Tensor) -> Tensor:
    """p* of every sigmoid example, [R, K], of the dtype of ``like``."""
    if examples.targets.is_floating_point():
        return examples.targets.to(like.dtype)
    columns = torch.arange(like.shape[1], device=like.device)
    return (examples.targets[:, None] == columns).to(like.dtype)


def blank_invalid(examples: Examples, valid: Tensor) -> Examples:
    """The examples with logits of 0 where ``valid`` (of `valid_rows`) is False: what they hold reaches no gradient."""
    mask = valid if valid.dim() == 2 else valid[:, None]
    return examples._replace(logits=examples.logits.where(mask, 0.0))


def invalid_targets(examples: Examples, ignore_index: int, *, activation: Activation) -> Tensor:
    """Which targets are neither a class, background, ``ignore_index`` nor a value in [0, 1]: bool, as `targets`."""
    targets = examples.targets
    if targets.is_floating_point():
        return ~((targets >= 0) & (targets <= 1))
    lowest = -1 if activation == "sigmoid" else 0
    return ((targets < lowest) | (targets >= examples.logits.shape[1])) & (targets != ignore_index)


def checked_for_free(inputs: Tensor) -> bool:
    """Whether looking at values waits for no device and breaks no graph."""
    return inputs.device.type == "cpu" and not torch.compiler.is_compiling()


def compute_dtype(inputs: Tensor) -> torch.dtype:
    """The dtype of all arithmetic: at least float32."""
    if inputs.dtype in (torch.float32, torch.float64):
        return inputs.dtype  # without asking, which takes as long as a kernel
    return torch.promote_types(inputs.dtype, torch.float32)


def as_dtype(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """``tensor.to(dtype)``, which takes a microsecond to say that there is nothing to do."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)
