"""What GHM-C is compared with: cross entropy, OHEM and focal loss. Thin over torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_number
from torchghm.functional.classification import check_targets, checked_for_free, example_weight
from torchghm.functional.cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from torchghm.functional.examples import (
    Activation,
    Examples,
    Reduction,
    arrange_examples,
    blank_invalid,
    positive_weight,
    positives,
    valid_rows,
)
from torchghm.functional.regression import reduce_weighted

Average = Literal["positives", "examples"]
Factor = Callable[[Tensor, Examples, Tensor], Tensor]
"""(cross entropy, examples, weights) -> what the cross entropy of every example is multiplied by."""


class WeighedCrossEntropy(NamedTuple):
    """A loss, and without a gradient what it was made of."""

    loss: Tensor
    total: Tensor
    """What ``reduction="mean"`` divides by: at least 1 where it counts positives, which here it need not be."""
    plain: Tensor
    """Mean cross entropy."""
    examples: Examples
    """Logits of 0 where there is no example."""
    cross_entropy: Tensor
    """Of every example."""
    strength: Tensor
    """Weight times factor of every example, 0 where there is none."""


def cross_entropy_loss(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    activation: Activation = "sigmoid",
    average: Average = "positives",
    ignore_index: int = -100,
    class_dim: int = -1,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross entropy behind the call of `ghmc_loss`: L = sum_i w_i L_CE(i) / n.

    Arguments:
        inputs, targets, weight, activation, ignore_index, class_dim, reduction: as in `ghmc_loss`.
        average: the n of ``reduction="mean"``: ``"positives"`` (sigmoid: the sum of w p*, at least 1, as detectors
            do) or ``"examples"`` (the sum of w). With softmax both are the sum of w.

    Example:
        >>> cross_entropy_loss(torch.zeros(2, 3), torch.tensor([1, -1]), average="examples")
        tensor(0.6931)
    """
    return weighed_cross_entropy(
        inputs,
        targets,
        weight,
        lambda cross_entropy, examples, amount: torch.ones_like(cross_entropy),
        activation=activation,
        average=average,
        ignore_index=ignore_index,
        class_dim=class_dim,
        reduction=reduction,
    ).loss


def focal_loss(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    activation: Activation = "sigmoid",
    average: Average = "positives",
    ignore_index: int = -100,
    class_dim: int = -1,
    reduction: Reduction = "mean",
) -> Tensor:
    """Focal loss, FL = alpha_t (1 - p_t)^gamma L_CE (Lin et al., ICCV 2017, equation 5).

    Arguments:
        inputs, targets, weight, activation, average, ignore_index, class_dim, reduction: as in `cross_entropy_loss`.
        alpha: weight of positives in [0, 1], 1 - alpha that of negatives; None for none. With softmax every
            example has weight ``alpha``.
        gamma: focusing parameter, at least 0; 0 with ``alpha=None`` is cross entropy.

    Example:
        >>> focal_loss(torch.zeros(1, 2), torch.tensor([0]), alpha=None)  # 2 ln 2 / 4
        tensor(0.3466)
    """
    return weighed_cross_entropy(
        inputs,
        targets,
        weight,
        focal_factor(alpha, gamma, activation),
        activation=activation,
        average=average,
        ignore_index=ignore_index,
        class_dim=class_dim,
        reduction=reduction,
    ).loss


def focal_factor(alpha: float | None, gamma: float, activation: Activation) -> Factor:
    """alpha_t (1 - p_t)^gamma, through which the gradient flows too."""
    check_number("gamma", gamma, "a number of at least 0", ok=lambda value: value >= 0)
    if alpha is not None:
        check_number("alpha", alpha, "None or a number in [0, 1]", ok=lambda value: 0 <= value <= 1)

    def factor(cross_entropy: Tensor, examples: Examples, amount: Tensor) -> Tensor:
        if activation == "sigmoid" and examples.targets.is_floating_point():
            target = examples.targets.to(cross_entropy.dtype)
            probability = examples.logits.to(cross_entropy.dtype).sigmoid()
            wrong = probability + target - 2 * probability * target
        else:
            wrong = -torch.expm1(-cross_entropy)  # 1 - p_t without cancellation
        # a power below 1 has no derivative at 0
        focus = wrong.clamp(min=torch.finfo(wrong.dtype).tiny) ** gamma
        if alpha is None:
            return focus
        if activation == "softmax":
            return alpha * focus
        positive = positives(examples, cross_entropy)
        return (alpha * positive + (1 - alpha) * (1 - positive)) * focus

    return factor


def ohem_loss(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    negatives_per_positive: float = 3.0,
    min_negatives: int = 1,
    ignore_index: int = -100,
    class_dim: int = -1,
    reduction: Reduction = "mean",
) -> Tensor:
    """Online hard example mining: sigmoid cross entropy of all positives and of the hardest negatives.

    Arguments:
        inputs, targets, weight, ignore_index, class_dim, reduction: as in `cross_entropy_loss`; the mean is over
            the positives.
        negatives_per_positive: hardest negatives kept for each positive, at least 0.
        min_negatives: hardest negatives kept in any case.

    Source: Shrivastava et al., CVPR 2016; the ratio 3:1 over the batch as in SSD (Liu et al., ECCV 2016).

    Example:
        >>> logits = torch.tensor([[0.0, -9.0, 2.0]])
        >>> ohem_loss(logits, torch.tensor([0]), negatives_per_positive=1)  # CE of 0 and of 2
        tensor(2.8201)
    """
    return weighed_cross_entropy(
        inputs,
        targets,
        weight,
        ohem_factor(negatives_per_positive, min_negatives),
        activation="sigmoid",
        average="positives",
        ignore_index=ignore_index,
        class_dim=class_dim,
        reduction=reduction,
    ).loss


def ohem_factor(negatives_per_positive: float, min_negatives: int) -> Factor:
    """1 for positives and for the hardest negatives of the batch, 0 for the others."""
    check_number("negatives_per_positive", negatives_per_positive, "at least 0", ok=lambda value: value >= 0)
    check_number("min_negatives", min_negatives, "at least 0", ok=lambda value: value >= 0)

    def factor(cross_entropy: Tensor, examples: Examples, amount: Tensor) -> Tensor:
        with torch.no_grad():
            positive = (positives(examples, cross_entropy) > 0.5) & (amount > 0)
            negative = ~positive & (amount > 0)
            keep = (positive.sum() * negatives_per_positive).clamp(min=min_negatives).floor()
            # Rank by hardness: a computation of fixed size, so that nothing waits for the count.
            order = cross_entropy.masked_fill(~negative, -1.0).flatten().argsort(descending=True)
            rank = torch.empty_like(order).scatter_(0, order, torch.arange(order.numel(), device=order.device))
            return (positive | (negative & (rank.view_as(negative) < keep))).to(cross_entropy.dtype)

    return factor


def weighed_cross_entropy(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    factor: Factor,
    *,
    activation: Activation,
    average: Average,
    ignore_index: int,
    class_dim: int,
    reduction: Reduction,
) -> WeighedCrossEntropy:
    """Cross entropy times a factor an example, reduced, and what the diagnostics need."""
    check_choice("average", average, ("positives", "examples"))
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    examples = arrange_examples(inputs, targets, weight, activation=activation, class_dim=class_dim)
    if checked_for_free(inputs):
        check_targets(examples, ignore_index, activation)
    valid = valid_rows(examples, ignore_index, activation=activation)
    per_example = sigmoid_cross_entropy if activation == "sigmoid" else softmax_cross_entropy
    examples = blank_invalid(examples, valid)
    cross_entropy = per_example(examples).where(valid, 0.0)
    amount = example_weight(examples, cross_entropy.detach()).where(valid, 0.0)
    total = amount.sum()
    plain = reduce_weighted(amount * cross_entropy.detach(), total, "mean")
    strength = amount * factor(cross_entropy, examples, amount)
    loss = strength * cross_entropy
    seen = (plain, examples, cross_entropy.detach(), strength.detach())
    if reduction == "none":
        shape = inputs.movedim(class_dim, -1).shape
        loss = loss.reshape(shape[:-1]) if activation == "softmax" else loss.reshape(shape).movedim(-1, class_dim)
        return WeighedCrossEntropy(loss, total, *seen)
    if activation == "sigmoid" and average == "positives":
        total = positive_weight(examples, ignore_index).to(amount.dtype)
        return WeighedCrossEntropy(reduce_weighted(loss, total.clamp(min=1), reduction), total, *seen)
    return WeighedCrossEntropy(reduce_weighted(loss, total, reduction), total, *seen)
