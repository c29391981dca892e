"""Dynamic fine-tuning: every token's cross entropy weighed by the probability that it has already."""

from __future__ import annotations

from torch import Tensor

from torchghm.functional.examples import Examples, as_dtype
from torchghm.functional.weighed import ExampleLoss


def dynamic_fine_tuning_formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
    """Return the formula L = -sg(p_y) log p_y, its weight without a gradient; for soft targets its mean over p*.

    For softmax logits: a row is a token. The gradient is p_y times that of cross entropy, so that an unlikely token
    pulls no harder than a likely one.

    Source: Wu et al., "On the Generalization of SFT: A Reinforcement Learning Perspective with Reward Rectification",
    2025 (arXiv 2508.05629).

    Examples:
        >>> import torch
        >>> from torchghm.functional.weighed import LossOptions, weigh_examples
        >>> logits, targets = torch.zeros(1, 2), torch.tensor([0])  # ln 2 / 2
        >>> weigh_examples(logits, targets, None, dynamic_fine_tuning_formula, LossOptions("softmax")).loss
        tensor(0.3466)
    """
    if examples.targets.is_floating_point():
        log_probability = as_dtype(examples.logits, cross_entropy.dtype).log_softmax(1)
        target = as_dtype(examples.targets, cross_entropy.dtype)
        value = -(target * log_probability.detach().exp() * log_probability).sum(1)
    else:
        value = (-cross_entropy.detach()).exp() * cross_entropy
    return ExampleLoss(value)
