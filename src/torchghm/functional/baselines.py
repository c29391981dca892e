"""The first baselines of GHM-C: cross entropy, OHEM and focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_integer, check_number
from torchghm.functional.examples import Activation, Average, Examples, Reduction, positives
from torchghm.functional.weighed import (
    ExampleLoss,
    Formula,
    LossOptions,
    entropy_slope,
    sigmoid_slopes,
    weigh_examples,
    wrong_probability,
)


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
    """Return the cross entropy behind the call of `ghmc_loss`: L = sum_i w_i L_CE(i) / n.

    Arguments:
        inputs, targets, weight, activation, ignore_index, class_dim, reduction: as in `ghmc_loss`.
        average: the n of ``reduction="mean"``: ``"positives"`` (sigmoid: the sum of w p*, at least 1, as detectors
            do) or ``"examples"`` (the sum of w). With softmax both are the sum of w.

    Returns:
        A scalar, or with ``reduction="none"`` the shape of ``inputs`` (softmax: less the class axis); 0 with a graph
        where no example is valid.

    Raises:
        ValueError: unlike shapes, an option out of range, targets out of range.
        TypeError: inputs or targets of a dtype that can't be read.

    Examples:
        >>> cross_entropy_loss(torch.zeros(2, 3), torch.tensor([1, -1]), average="examples")
        tensor(0.6931)
    """
    return weigh_examples(
        inputs,
        targets,
        weight,
        cross_entropy_formula,
        LossOptions(activation, average, ignore_index, class_dim, reduction),
    ).loss


def cross_entropy_formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
    """Return cross entropy itself: a `Formula`."""
    return ExampleLoss(cross_entropy, lambda: entropy_slope(examples, cross_entropy))


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
    """Return the focal loss, FL = alpha_t (1 - p_t)^gamma L_CE (Lin et al., ICCV 2017, equation 5).

    Arguments:
        inputs, targets, weight, activation, average, ignore_index, class_dim, reduction: as in `cross_entropy_loss`.
        alpha: weight of positives in [0, 1], 1 - alpha that of negatives; None for none. With softmax every
            example has weight ``alpha``.
        gamma: focusing parameter, at least 0; 0 with ``alpha=None`` is cross entropy.

    Returns:
        As `cross_entropy_loss`.

    Raises:
        ValueError: unlike shapes, an option out of range, targets out of range.
        TypeError: inputs or targets of a dtype that can't be read.

    Examples:
        >>> focal_loss(torch.zeros(1, 2), torch.tensor([0]), alpha=None)  # 2 ln 2 / 4
        tensor(0.3466)
    """
    return weigh_examples(
        inputs,
        targets,
        weight,
        focal_formula(alpha, gamma),
        LossOptions(activation, average, ignore_index, class_dim, reduction),
    ).loss


def focal_formula(alpha: float | None, gamma: float) -> Formula:
    """Return the formula alpha_t (1 - p_t)^gamma L_CE; its options are those of `focal_loss`."""
    check_number("gamma", gamma, "a number of at least 0", ok=lambda value: value >= 0)
    if alpha is not None:
        check_number("alpha", alpha, "None or a number in [0, 1]", ok=lambda value: 0 <= value <= 1)

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        # a power below 1 has no derivative at 0
        wrong = wrong_probability(examples, cross_entropy).clamp(min=torch.finfo(cross_entropy.dtype).tiny)
        focus = class_balance(alpha, examples, cross_entropy) * wrong**gamma

        def slope() -> Tensor:
            by_entropy, by_wrong = sigmoid_slopes(examples, cross_entropy)
            return (focus * (by_entropy + gamma * cross_entropy * by_wrong / wrong)).abs()

        return ExampleLoss(focus * cross_entropy, slope)

    return formula


def class_balance(alpha: float | None, examples: Examples, cross_entropy: Tensor) -> Tensor | float:
    """Return alpha_t: alpha at positives, 1 - alpha at negatives; alpha with softmax; 1 for None."""
    if alpha is None:
        return 1.0
    if cross_entropy.dim() == 1:
        return alpha
    positive = positives(examples, cross_entropy)
    return alpha * positive + (1 - alpha) * (1 - positive)


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
    """Return the loss of online hard example mining: cross entropy of all positives and of the hardest negatives.

    Arguments:
        inputs, targets, weight, ignore_index, class_dim, reduction: as in `cross_entropy_loss`; the mean is over
            the positives.
        negatives_per_positive: hardest negatives kept for each positive, at least 0.
        min_negatives: hardest negatives kept in any case, an integer of at least 0.

    Returns:
        A scalar, or with ``reduction="none"`` the shape of ``inputs``, 0 for negatives that are not kept.

    Raises:
        ValueError: unlike shapes, an option out of range, targets out of range.
        TypeError: inputs or targets of a dtype that can't be read.

    Source: Shrivastava et al., CVPR 2016; the ratio 3:1 over the batch as in SSD (Liu et al., ECCV 2016).

    Examples:
        >>> logits = torch.tensor([[0.0, -9.0, 2.0]])
        >>> ohem_loss(logits, torch.tensor([0]), negatives_per_positive=1)  # CE of 0 and of 2
        tensor(2.8201)
    """
    return weigh_examples(
        inputs,
        targets,
        weight,
        ohem_formula(negatives_per_positive, min_negatives),
        LossOptions("sigmoid", "positives", ignore_index, class_dim, reduction),
    ).loss


def ohem_formula(negatives_per_positive: float, min_negatives: int) -> Formula:
    """Return the formula of cross entropy of positives and of the hardest negatives of the batch, 0 of the others."""
    check_number(
        "negatives_per_positive", negatives_per_positive, "a number of at least 0", ok=lambda value: value >= 0
    )
    check_integer("min_negatives", min_negatives, 0)

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        with torch.no_grad():
            positive = (positives(examples, cross_entropy) > 0.5) & (amount > 0)
            negative = ~positive & (amount > 0)
            keep = (positive.sum() * negatives_per_positive).clamp(min=min_negatives).floor()
            # Rank by hardness: a computation of fixed size, so that nothing waits for the count.
            order = cross_entropy.masked_fill(~negative, -1.0).flatten().argsort(descending=True)
            rank = torch.empty_like(order).scatter_(0, order, torch.arange(order.numel(), device=order.device))
            kept = (positive | (negative & (rank.view_as(negative) < keep))).to(cross_entropy.dtype)
        return ExampleLoss(kept * cross_entropy, lambda: kept * entropy_slope(examples, cross_entropy))

    return formula
