"""Who carries the gradient of a cross entropy that every example multiplies by a factor of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.examples import Examples


@torch.no_grad()
def positive_gradient_share(examples: Examples, cross_entropy: Tensor, strength: Tensor, gamma: float = 0.0) -> Tensor:
    """Positives' share of the summed |gradient| of the sigmoid's logits, sum p* |dL/dx| / sum |dL/dx|.

    With L = s (1 - p_t)^gamma L_CE, of which ``strength`` is s (1 - p_t)^gamma, and g = 1 - p_t = |p - p*|,

        |dL/dx| = strength (g + gamma (1 - g) L_CE)

    for hard targets; with soft ones 1 - p_t is p + p* - 2 p p*.

    Arguments:
        examples: of sigmoid logits.
        cross_entropy: L_CE of every logit, [R, K].
        strength: what it is multiplied by, [R, K], 0 where there is no example.
        gamma: the focal loss's, at least 0; 0 for a factor through which no gradient flows.

    Returns:
        A scalar in [0, 1], without a host synchronisation; 0 without any gradient.

    Source: GHM paper, section 3.1 for g; Lin et al., ICCV 2017, equation 5 for the factor.

    Example:
        >>> from torchghm.functional.examples import arrange_examples
        >>> examples = arrange_examples(torch.zeros(1, 4), torch.tensor([2]))
        >>> positive_gradient_share(examples, torch.full((1, 4), 0.6931), torch.ones(1, 4))
        tensor(0.2500)
    """
    if examples.targets.is_floating_point():
        target = examples.targets.to(cross_entropy.dtype)
        probability = examples.logits.to(cross_entropy.dtype).sigmoid()
        gradient = probability - target
        if gamma:
            wrong = probability + target - 2 * probability * target
            slope = (1 - 2 * target) * probability * (1 - probability)
            gradient = gradient + gamma * cross_entropy * slope / wrong.clamp(min=torch.finfo(wrong.dtype).tiny)
        magnitude = strength * gradient.abs()
        of_positives = (magnitude * target).sum()
    else:
        magnitude = torch.expm1(-cross_entropy).neg_()  # g
        if gamma:
            magnitude += gamma * (1 - magnitude) * cross_entropy
        magnitude *= strength
        labelled = (examples.targets >= 0) & (examples.targets < magnitude.shape[1])
        column = examples.targets.where(labelled, 0)[:, None]
        of_positives = magnitude.gather(1, column)[:, 0].where(labelled, 0.0).sum()
    total = magnitude.sum()
    return of_positives / total.where(total > 0, 1.0)
