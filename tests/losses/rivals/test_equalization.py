"""Equalization loss v2 over several batches, against sums kept by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from torchghm import EqualizationLossV2


@pytest.mark.parametrize("weighted", [False, True])
def test_each_batch_is_weighed_by_the_gradients_before_it(weighted):
    loss = EqualizationLossV2(average="examples")
    of_positives, of_negatives = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for step in range(4):
        logits = torch.randn(50, 3, generator=generator)
        label = torch.randint(-1, 2, (50,), generator=generator)  # never class 2
        weight = torch.rand(50, generator=generator) if weighted else torch.ones(50)
        target = (label[:, None] == torch.arange(3)).double()
        factor = torch.ones(50, 3, dtype=torch.float64)
        if step > 0:
            negative = 1 / (1 + torch.exp(-12 * (of_positives / of_negatives - 0.8)))
            factor = target * (1 + 4 * (1 - negative)) + (1 - target) * negative
        entropy = F.binary_cross_entropy_with_logits(logits.double(), target, reduction="none")
        expected = (weight[:, None] * factor * entropy).sum() / (3 * weight.sum())
        torch.testing.assert_close(loss(logits, label, weight).double(), expected, rtol=1e-5, atol=0)
        gradient = weight[:, None] * factor * (logits.double().sigmoid() - target).abs()
        of_positives += (gradient * target).sum(0)
        of_negatives += (gradient * (1 - target)).sum(0)
    torch.testing.assert_close(
        loss.gradients.sums.double(), torch.stack([of_positives, of_negatives]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("options", "message"), [({"gamma": 0}, "`gamma`"), ({"alpha": -1}, "`alpha`"), ({"mu": float("inf")}, "`mu`")]
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        EqualizationLossV2(**options)
