"""Generalized cross entropy: between cross entropy, which learns fast, and absolute error, which bears wrong labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.examples import Examples, as_dtype
from torchghm.functional.weighed import ExampleLoss, Formula, wrong_probability


def generalized_cross_entropy_formula(q: float = 0.7) -> Formula:
    """Return the formula L = (1 - p_t^q) / q; for soft targets the mean of it over the classes, weighed by p*.

    Its gradient is p_t^q times that of cross entropy.

    Arguments:
        q: in (0, 1]; towards 0 the loss is cross entropy, with 1 the absolute error 1 - p_t.

    Returns:
        The formula, for sigmoid (each class and its complement) and softmax.

    Raises:
        ValueError: q out of its range.

    Source: Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
    NeurIPS 2018, and its q; without the truncation, which needs a weight for every image. The sigmoid form is ours.

    Examples:
        >>> from torchghm.functional.weighed import LossOptions, weigh_examples
        >>> logits, targets = torch.zeros(1, 2), torch.tensor([0])
        >>> weigh_examples(
        ...     logits, targets, None, generalized_cross_entropy_formula(), LossOptions(reduction="none")
        ... ).loss
        tensor([[0.5492, 0.5492]])
    """
    check_number("q", q, "a number in (0, 1]", ok=lambda value: 0 < value <= 1)

    def of_entropy(cross_entropy: Tensor) -> Tensor:
        return -torch.expm1(-q * cross_entropy) / q  # p_t^q = exp(-q L_CE), without cancellation where p_t is near 1

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        if not examples.targets.is_floating_point():
            return ExampleLoss(
                of_entropy(cross_entropy),
                lambda: (-q * cross_entropy).exp() * wrong_probability(examples, cross_entropy),
            )
        logits = as_dtype(examples.logits, cross_entropy.dtype)
        target = as_dtype(examples.targets, cross_entropy.dtype)
        if cross_entropy.dim() == 1:
            value = (target * of_entropy(-logits.log_softmax(1))).sum(1)
        else:
            value = target * of_entropy(F.softplus(-logits)) + (1 - target) * of_entropy(F.softplus(logits))

        def slope() -> Tensor:
            hit, missed = logits.sigmoid(), (-logits).sigmoid()
            return ((1 - target) * missed**q * hit - target * hit**q * missed).abs()

        return ExampleLoss(value, slope)

    return formula
