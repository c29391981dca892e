"""Who carries the gradient of a classification loss."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.examples import Examples


@torch.no_grad()
def positive_gradient_share(examples: Examples, gradient: Tensor) -> Tensor:
    """Return the positives' share of the summed |gradient| of the sigmoid's logits, sum p* |dL/dx| / sum |dL/dx|.

    Arguments:
        examples: of sigmoid logits.
        gradient: |dL/dx| of every logit, [R, K], 0 where there is no example.

    Returns:
        A scalar in [0, 1], without a host synchronisation; 0 without any gradient.

    Examples:
        >>> from torchghm.functional.examples import arrange_examples
        >>> examples = arrange_examples(torch.zeros(1, 4), torch.tensor([2]))
        >>> positive_gradient_share(examples, torch.full((1, 4), 0.5))
        tensor(0.2500)
    """
    total = gradient.sum()
    return positive_gradient(gradient, examples.targets) / total.where(total > 0, 1.0)


def positive_gradient(gradient: Tensor, targets: Tensor) -> Tensor:
    """Return the part of the summed |gradient| [R, K] that belongs to positives, by how positive they are."""
    if targets.is_floating_point():
        return (targets.to(gradient.dtype) * gradient).sum()
    labelled = (targets >= 0) & (targets < gradient.shape[1])
    return gradient.gather(1, targets.where(labelled, 0)[:, None])[:, 0].where(labelled, 0.0).sum()
