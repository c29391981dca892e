"""Quality focal loss: focal loss for targets that are a quality in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.examples import Examples, as_dtype
from torchghm.functional.gradient_norm import sigmoid_norm
from torchghm.functional.weighed import ExampleLoss, Formula


def quality_focal_formula(beta: float = 2.0) -> Formula:
    """Return the formula L = |p - p*|^beta L_CE, p* being the quality of a detection (its IoU) at its class, else 0.

    For hard targets it is the focal loss without alpha. A target above 0 counts as one positive.

    Arguments:
        beta: at least 0; with 0 the loss is cross entropy.

    Returns:
        The formula, for sigmoid logits.

    Raises:
        ValueError: beta out of its range.

    Source: Li et al., "Generalized Focal Loss", NeurIPS 2020, and its beta.

    Examples:
        >>> from torchghm.functional.weighed import LossOptions, weigh_examples
        >>> logits, targets = torch.zeros(1, 2), torch.tensor([[0.5, 0.9]])
        >>> weigh_examples(logits, targets, None, quality_focal_formula(), LossOptions(reduction="none")).loss
        tensor([[0.0000, 0.1109]])
    """
    check_number("beta", beta, "a number of at least 0", ok=lambda value: value >= 0)

    def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
        # a power below 1 has no derivative at 0
        distance = sigmoid_norm(examples).clamp(min=torch.finfo(cross_entropy.dtype).tiny)
        focus = distance**beta

        def slope() -> Tensor:
            probability = as_dtype(examples.logits, cross_entropy.dtype).sigmoid()
            return focus * (distance + beta * cross_entropy / distance * probability * (1 - probability))

        # The mean is over the objects, however good their boxes are.
        found = examples.targets > 0 if examples.targets.is_floating_point() else None
        return ExampleLoss(focus * cross_entropy, slope, found)

    return formula
