"""Poly-1: focal loss whose first polynomial has another coefficient."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.baselines import class_balance, focal_formula
from torchghm.functional.examples import Examples
from torchghm.functional.weighed import ExampleLoss, Formula, sigmoid_slopes, wrong_probability


def poly1_focal_formula(epsilon: float = -1.0, alpha: float | None = 0.25, gamma: float = 2.0) -> Formula:
    """Return the formula L = alpha_t ((1 - p_t)^gamma L_CE + epsilon (1 - p_t)^(gamma + 1)).

    Focal loss is the series of (1 - p_t)^(gamma + j) / j, j = 1, 2, ...: epsilon is added to the first coefficient.

    Arguments:
        epsilon: any number; -1 takes the first polynomial away, 0 leaves focal loss.
        alpha, gamma: as in `torchghm.functional.focal_loss`.

    Returns:
        The formula, for sigmoid and softmax.

    Raises:
        ValueError: an option out of its range.

    Source: Leng et al., "PolyLoss", ICLR 2022, Poly-1 of the focal loss; epsilon -1 is the paper's for detection.

    Examples:
        >>> from torchghm.functional.weighed import LossOptions, weigh_examples
        >>> logits, targets = torch.zeros(1, 2), torch.tensor([0])
        >>> weigh_examples(logits, targets, None, poly1_focal_formula(), LossOptions(reduction="none")).loss
        tensor([[0.0121, 0.0362]])
    """
    check_number("epsilon", epsilon, "a number", ok=lambda value: True)
    focal = focal_formula(alpha, gamma)

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        wrong = wrong_probability(examples, cross_entropy).clamp(min=torch.finfo(cross_entropy.dtype).tiny)
        scale = class_balance(alpha, examples, cross_entropy)

        def slope() -> Tensor:
            by_entropy, by_wrong = sigmoid_slopes(examples, cross_entropy)
            by_focus = gamma * cross_entropy / wrong + epsilon * (gamma + 1)
            return (scale * wrong**gamma * (by_entropy + by_focus * by_wrong)).abs()

        first = scale * wrong ** (gamma + 1)
        return ExampleLoss(focal(examples, cross_entropy, amount).value + epsilon * first, slope)

    return formula
