"""A classification loss without a density: weighed and reduced, and what its diagnostics need."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice
from torchghm.functional.classification import check_targets, example_weight
from torchghm.functional.cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from torchghm.functional.example_errors import check_weight
from torchghm.functional.examples import (
    Activation,
    Average,
    Examples,
    Reduction,
    arrange_examples,
    blank_invalid,
    checked_for_free,
    positive_weight,
    valid_rows,
)
from torchghm.functional.regression import reduce_weighted


class ExampleLoss(NamedTuple):
    """The loss of every example before its weight."""

    value: Tensor
    """[R, K] with sigmoid, [R] with softmax."""
    slope: Callable[[], Tensor] | None = None
    """Computes |dL/dx| of every sigmoid logit, [R, K]; not to be called with softmax, where each row has K of them."""
    positive: Tensor | None = None
    """How much of a positive every sigmoid example is, [R, K], for ``average="positives"``; None for p*."""


Formula = Callable[[Examples, Tensor, Tensor], ExampleLoss]
"""(examples, their cross entropy, their weights) -> their loss. With softmax the last two are [R], else [R, K]."""


class LossOptions(NamedTuple):
    """How logits and targets are read and the losses reduced: see `torchghm.functional.cross_entropy_loss`."""

    activation: Activation = "sigmoid"
    average: Average = "positives"
    ignore_index: int = -100
    class_dim: int = -1
    reduction: Reduction = "mean"


class WeighedLoss(NamedTuple):
    """A loss, and without a gradient what it was made of."""

    loss: Tensor
    total: Tensor
    """Divisor of ``reduction="mean"``: at least 1 where it counts positives, which here it need not be."""
    plain: Tensor
    """Mean cross entropy."""
    examples: Examples
    """Logits of 0 where there is no example."""
    amount: Tensor
    """Weight of every example, 0 where there is none."""
    slope: Callable[[], Tensor] | None
    """That of `ExampleLoss`."""


def weigh_examples(
    inputs: Tensor, targets: Tensor, weight: Tensor | None, formula: Formula, options: LossOptions
) -> WeighedLoss:
    """Return L = sum_i w_i L(i) / n for the L(i) of a formula.

    Arguments:
        inputs, targets, weight: as in `torchghm.functional.cross_entropy_loss`.
        formula: the loss of every example.
        options: how to read and reduce.

    Raises:
        ValueError: unlike shapes, an unknown option, targets out of range.
        TypeError: inputs or targets of a dtype that can't be read.
    """
    activation, average, ignore_index, class_dim, reduction = options
    check_choice("average", average, ("positives", "examples"))
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    examples = arrange_examples(inputs, targets, weight, activation=activation, class_dim=class_dim)
    if checked_for_free(inputs):
        check_targets(examples, ignore_index, activation)
        check_weight(examples.weight)
    valid = valid_rows(examples, ignore_index, activation=activation)
    examples = blank_invalid(examples, valid)
    cross_entropy = (sigmoid_cross_entropy if activation == "sigmoid" else softmax_cross_entropy)(examples)
    cross_entropy = cross_entropy.where(valid, 0.0)
    amount = example_weight(examples, cross_entropy.detach()).where(valid, 0.0)
    total = amount.sum()
    plain = reduce_weighted(amount * cross_entropy.detach(), total, "mean")
    of_examples = formula(examples, cross_entropy, amount)
    loss = amount * of_examples.value
    if reduction == "none":
        shape = inputs.movedim(class_dim, -1).shape
        loss = loss.reshape(shape[:-1]) if activation == "softmax" else loss.reshape(shape).movedim(-1, class_dim)
    elif activation == "sigmoid" and average == "positives":
        if of_examples.positive is None:
            total = positive_weight(examples, ignore_index).to(amount.dtype)
        else:
            total = (amount * of_examples.positive).sum()
        loss = reduce_weighted(loss, total.clamp(min=1), reduction)
    else:
        loss = reduce_weighted(loss, total, reduction)
    seen = examples._replace(logits=examples.logits.detach())
    return WeighedLoss(loss, total, plain, seen, amount, of_examples.slope)


def wrong_probability(examples: Examples, cross_entropy: Tensor) -> Tensor:
    """Return 1 - p_t of every example, shaped like ``cross_entropy``, without cancellation for hard targets.

    With soft targets of a sigmoid it is p + p* - 2 p p*.
    """
    if cross_entropy.dim() == 2 and examples.targets.is_floating_point():
        target = examples.targets.to(cross_entropy.dtype)
        probability = examples.logits.to(cross_entropy.dtype).sigmoid()
        return probability + target - 2 * probability * target
    return -torch.expm1(-cross_entropy)


def entropy_slope(examples: Examples, cross_entropy: Tensor) -> Tensor:
    """Return |dL_CE/dx| of every sigmoid logit, [R, K]."""
    if examples.targets.is_floating_point():
        return (examples.logits.to(cross_entropy.dtype).sigmoid() - examples.targets.to(cross_entropy.dtype)).abs()
    return -torch.expm1(-cross_entropy)


def sigmoid_slopes(examples: Examples, cross_entropy: Tensor) -> tuple[Tensor, Tensor]:
    """Return dL_CE/dx and d(1 - p_t)/dx of every sigmoid logit, [R, K] each.

    Both have the opposite sign at a class that an integer target labels. The absolute value of
    a dL_CE/dx + b d(1 - p_t)/dx is right all the same.
    """
    if examples.targets.is_floating_point():
        target = examples.targets.to(cross_entropy.dtype)
        probability = examples.logits.to(cross_entropy.dtype).sigmoid()
        return probability - target, (1 - 2 * target) * probability * (1 - probability)
    wrong = -torch.expm1(-cross_entropy)
    return wrong, wrong * (1 - wrong)
