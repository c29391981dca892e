"""Symmetric cross entropy: cross entropy, and the same with prediction and label in each other's place."""

from __future__ import annotations

from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.examples import Examples, as_dtype
from torchghm.functional.weighed import ExampleLoss, Formula, sigmoid_slopes, wrong_probability


def symmetric_cross_entropy_formula(alpha: float = 0.1, beta: float = 1.0, log_of_zero: float = -4.0) -> Formula:
    """Return the formula L = alpha L_CE + beta L_RCE, L_RCE = -sum_c p_c max(log p*_c, log_of_zero).

    For a hard label L_RCE is -log_of_zero (1 - p_t), which is bounded: a wrong label can't pull without limit. With a
    sigmoid the sum is over the class and its complement.

    Arguments:
        alpha: weight of the cross entropy, at least 0.
        beta: weight of the reverse cross entropy, at least 0; with 0 the loss is ``alpha`` times cross entropy.
        log_of_zero: the A that stands for log 0, below 0.

    Returns:
        The formula, for sigmoid and softmax.

    Raises:
        ValueError: an option out of its range.

    Source: Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019;
    alpha and beta are the paper's for CIFAR-10. The authors' code clips labels at 1e-4, a ``log_of_zero`` of -9.21. The
    paper is for softmax; the sigmoid form is ours.

    Examples:
        >>> import torch
        >>> from torchghm.functional.weighed import LossOptions, weigh_examples
        >>> logits, targets = torch.zeros(1, 2), torch.tensor([0])
        >>> weigh_examples(
        ...     logits, targets, None, symmetric_cross_entropy_formula(), LossOptions(reduction="none")
        ... ).loss
        tensor([[2.0693, 2.0693]])
    """
    check_number("alpha", alpha, "a number of at least 0", ok=lambda value: value >= 0)
    check_number("beta", beta, "a number of at least 0", ok=lambda value: value >= 0)
    check_number("log_of_zero", log_of_zero, "a number below 0", ok=lambda value: value < 0)

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        if not examples.targets.is_floating_point():
            reverse = -log_of_zero * wrong_probability(examples, cross_entropy)

            def slope() -> Tensor:
                by_entropy, by_wrong = sigmoid_slopes(examples, cross_entropy)
                return (alpha * by_entropy - beta * log_of_zero * by_wrong).abs()

            return ExampleLoss(alpha * cross_entropy + beta * reverse, slope)
        logits = as_dtype(examples.logits, cross_entropy.dtype)
        target = as_dtype(examples.targets, cross_entropy.dtype)
        log_label, log_other = (log.clamp(min=log_of_zero) for log in (target.log(), (-target).log1p()))
        if cross_entropy.dim() == 1:
            reverse = -(logits.softmax(1) * log_label).sum(1)
        else:
            reverse = -(logits.sigmoid() * log_label + (-logits).sigmoid() * log_other)

        def slope_of_soft() -> Tensor:
            probability = logits.sigmoid()
            by_reverse = (log_other - log_label) * probability * (1 - probability)
            return (alpha * (probability - target) + beta * by_reverse).abs()

        return ExampleLoss(alpha * cross_entropy + beta * reverse, slope_of_soft)

    return formula
