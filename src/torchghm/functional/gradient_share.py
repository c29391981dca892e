"""Who carries the gradient of a classification loss."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.examples import Examples


@torch.no_grad()
def positive_gradient_share(examples: Examples, gradient: Tensor) -> Tensor:
    """Positives' share of the summed |gradient| of the sigmoid's logits, sum p* |dL/dx| / sum |dL/dx|.

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
    if examples.targets.is_floating_point():
        of_positives = (gradient * examples.targets.to(gradient.dtype)).sum()
    else:
        labelled = (examples.targets >= 0) & (examples.targets < gradient.shape[1])
        column = examples.targets.where(labelled, 0)[:, None]
        of_positives = gradient.gather(1, column)[:, 0].where(labelled, 0.0).sum()
    total = gradient.sum()
    return of_positives / total.where(total > 0, 1.0)
