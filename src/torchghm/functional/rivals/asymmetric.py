"""Asymmetric loss: focusing parameters of their own for positives and negatives, and a margin for negatives."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.examples import Examples, as_dtype, positives
from torchghm.functional.weighed import ExampleLoss, Formula


def asymmetric_formula(gamma_negative: float = 4.0, gamma_positive: float = 0.0, margin: float = 0.05) -> Formula:
    """Return the formula of the asymmetric loss.

    L = -p* (1 - p)^gamma_positive log p - (1 - p*) p_m^gamma_negative log(1 - p_m), p_m = max(p - margin, 0).

    Arguments:
        gamma_negative: focusing parameter of negatives, at least 0.
        gamma_positive: that of positives, at least 0.
        margin: probability up to which a negative has no loss, in [0, 1). With it and both parameters 0 the loss is
            cross entropy.

    Returns:
        The formula, for sigmoid logits.

    Raises:
        ValueError: an option out of its range.

    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021; the defaults are the
    paper's for MS-COCO.

    Examples:
        >>> from torchghm.functional.weighed import LossOptions, weigh_examples
        >>> logits, targets = torch.tensor([[0.0, -4.0]]), torch.tensor([0])
        >>> weigh_examples(logits, targets, None, asymmetric_formula(), LossOptions(reduction="none")).loss
        tensor([[0.6931, 0.0000]])
    """
    check_number("gamma_negative", gamma_negative, "a number of at least 0", ok=lambda value: value >= 0)
    check_number("gamma_positive", gamma_positive, "a number of at least 0", ok=lambda value: value >= 0)
    check_number("margin", margin, "a number in [0, 1)", ok=lambda value: 0 <= value < 1)
    log_margin = math.log(margin) if margin else -math.inf

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        logits = as_dtype(examples.logits, cross_entropy.dtype)
        target = positives(examples, logits)
        tiny = torch.finfo(logits.dtype).tiny  # a power below 1 has no derivative at 0
        missed = (-logits).sigmoid().clamp(min=tiny)
        of_positive = F.softplus(-logits)
        shifted = (logits.sigmoid() - margin).clamp(min=tiny)
        # 1 - p_m = (1 - p) + margin, at most 1; its logarithm does not overflow where p is 1.
        of_negative = -torch.logaddexp(-F.softplus(logits), logits.new_tensor(log_margin)).clamp(max=0)
        positive_focus, negative_focus = missed**gamma_positive, shifted**gamma_negative

        def slope() -> Tensor:
            hit = logits.sigmoid()
            by_positive = positive_focus * (missed + gamma_positive * hit * of_positive)
            by_shifted = gamma_negative * missed * of_negative / shifted + missed / (missed + margin)
            by_negative = (negative_focus * hit * by_shifted).where(hit > margin, 0.0)
            return ((1 - target) * by_negative - target * by_positive).abs()

        value = target * positive_focus * of_positive + (1 - target) * negative_focus * of_negative
        return ExampleLoss(value, slope)

    return formula
