"""Equalization loss v2: every class's positives and negatives weighed by how much gradient each has had so far."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.examples import Examples, positives
from torchghm.functional.weighed import ExampleLoss, Formula, entropy_slope


def equalization_weights(gradients: Tensor, gamma: float = 12.0, mu: float = 0.8, alpha: float = 4.0) -> Tensor:
    """Return the weights of each class's positives and negatives, from the gradient that each has had.

        r_j = 1 / (1 + exp(-gamma (g_j - mu))) for negatives,   q_j = 1 + alpha (1 - r_j) for positives,

    with g_j the gradient of the positives of class j over that of its negatives.

    Arguments:
        gradients: [2, K] sums of |dL/dx|: of positives, and of negatives; all 0 before the first batch.
        gamma: steepness of the mapping, above 0.
        mu: the ratio at which it is one half.
        alpha: how much positives gain at most, at least 0.

    Returns:
        [2, K]: q and r; 1 before the first batch.

    Source: Tan et al., "Equalization Loss v2", CVPR 2021, with the paper's settings. Its category-agnostic
    task, a column of its own in a second stage, is not part of it.

    Examples:
        >>> equalization_weights(torch.tensor([[8.0, 50.0], [10.0, 100.0]]))
        tensor([[3.0000, 4.8936],
                [0.5000, 0.0266]])
    """
    of_positives, of_negatives = gradients
    ratio = of_positives / of_negatives.clamp(min=torch.finfo(gradients.dtype).tiny)
    weight = (gamma * (ratio - mu)).sigmoid()
    return torch.stack([1 + alpha * (1 - weight), weight]).where(gradients.sum() > 0, 1.0)


def equalization_formula(weights: Tensor) -> Formula:
    """Return the formula L = (q_j p* + r_j (1 - p*)) L_CE, for sigmoid logits.

    Arguments:
        weights: [2, K] of `equalization_weights`.
    """

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        target = positives(examples, cross_entropy)
        of_positives, of_negatives = weights.to(cross_entropy.dtype)
        factor = of_positives * target + of_negatives * (1 - target)
        return ExampleLoss(factor * cross_entropy, lambda: factor * entropy_slope(examples, cross_entropy))

    return formula


def class_gradients(examples: Examples, gradient: Tensor) -> Tensor:
    """Return the sums [2, K] of |dL/dx| [R, K] over each class's positives and over its negatives.

    What is not finite counts as 0: a sum would never be rid of it.
    """
    gradient = gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    target = positives(examples, gradient)
    return torch.stack([(gradient * target).sum(0), (gradient * (1 - target)).sum(0)])
