"""Positives' share of the gradient, against a sum over every logit."""

from __future__ import annotations

import torch

from torchghm.functional.examples import arrange_examples
from torchghm.functional.gradient_share import positive_gradient_share

GRADIENT = torch.arange(1.0, 13.0).view(4, 3)


def test_of_integer_targets():
    examples = arrange_examples(torch.zeros(4, 3), torch.tensor([1, -1, 2, -100]))
    expected = (GRADIENT[0, 1] + GRADIENT[2, 2]) / GRADIENT.sum()
    torch.testing.assert_close(positive_gradient_share(examples, GRADIENT), expected)


def test_of_soft_targets_in_part():
    targets = torch.linspace(0, 1, 12).view(4, 3)
    examples = arrange_examples(torch.zeros(4, 3), targets)
    expected = (GRADIENT * targets).sum() / GRADIENT.sum()
    torch.testing.assert_close(positive_gradient_share(examples, GRADIENT), expected)


def test_without_any_gradient_it_is_0():
    examples = arrange_examples(torch.zeros(4, 3), torch.tensor([1, -1, 2, 0]))
    assert positive_gradient_share(examples, torch.zeros(4, 3)) == 0
