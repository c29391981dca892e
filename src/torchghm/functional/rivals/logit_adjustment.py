"""Logit-adjusted cross entropy: rare classes get a larger margin."""

from __future__ import annotations

from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.cross_entropy import softmax_cross_entropy
from torchghm.functional.examples import Examples, as_dtype
from torchghm.functional.weighed import ExampleLoss, Formula


def logit_adjustment_formula(priors: Tensor, tau: float = 1.0) -> Formula:
    """Return the formula of the softmax cross entropy of x_c + tau log pi_c.

    Arguments:
        priors: [K] frequency pi of each class, above 0, up to a factor.
        tau: strength, at least 0; with 0 the loss is cross entropy.

    Returns:
        The formula, for softmax logits.

    Raises:
        ValueError: tau out of its range.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, and its tau. Predictions are made with
    the logits as they are.

    Examples:
        >>> import torch
        >>> from torchghm.functional.weighed import LossOptions, weigh_examples
        >>> formula = logit_adjustment_formula(torch.tensor([0.9, 0.1]))
        >>> weigh_examples(torch.zeros(1, 2), torch.tensor([1]), None, formula, LossOptions("softmax")).loss
        tensor(2.3026)
    """
    check_number("tau", tau, "a number of at least 0", ok=lambda value: value >= 0)

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        logits = as_dtype(examples.logits, cross_entropy.dtype) + tau * priors.to(cross_entropy.dtype).log()
        return ExampleLoss(softmax_cross_entropy(examples._replace(logits=logits)))

    return formula


def class_counts(examples: Examples, amount: Tensor) -> Tensor:
    """Return the sums [K] of the weights ``amount`` [R] by class of softmax examples; not finite ones count as 0."""
    amount = amount.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    classes = examples.logits.shape[1]
    if examples.targets.is_floating_point():
        return (amount[:, None] * examples.targets.to(amount.dtype)).sum(0)
    return amount.new_zeros(classes).index_add_(0, examples.targets.clamp(0, classes - 1), amount)


def class_priors(counts: Tensor) -> Tensor:
    """Return the frequency [K] of each class from its count [K], with one more of every class: none is 0."""
    return (counts + 1) / (counts.sum() + counts.numel())
