"""Logit adjustment with given and with counted priors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from torchghm import LogitAdjustedLoss


def test_given_priors_are_frequencies_or_counts():
    logits, labels = torch.randn(20, 3), torch.arange(20) % 3
    expected = F.cross_entropy(logits + torch.tensor([0.7, 0.2, 0.1]).log(), labels)
    for priors in ([0.7, 0.2, 0.1], [70, 20, 10], torch.tensor([7.0, 2.0, 1.0])):
        loss = LogitAdjustedLoss(priors)
        torch.testing.assert_close(loss(logits, labels), expected)
        torch.testing.assert_close(loss(logits, labels), expected)  # nothing was counted
    again = LogitAdjustedLoss([1, 1, 1])
    again.load_state_dict(loss.state_dict())
    torch.testing.assert_close(again(logits, labels), expected)


@pytest.mark.parametrize("soft", [False, True])
def test_priors_are_counted_over_the_batches_before(soft):
    loss = LogitAdjustedLoss(tau=0.5)
    counts = torch.zeros(4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        logits = torch.randn(30, 4, generator=generator)
        label = torch.randint(0, 3, (30,), generator=generator)  # never class 3
        label[:5] = -100
        weight = torch.rand(30, generator=generator)
        dense = F.one_hot(label.clamp(min=0), 4).float()
        targets = label
        if soft:
            targets, label = dense, label.clamp(min=0)
        valid = label >= 0
        priors = (counts + 1) / (counts.sum() + 4)
        each = F.cross_entropy(logits + 0.5 * priors.log(), label, reduction="none", ignore_index=-100)
        expected = (weight * each)[valid].sum() / weight[valid].sum()
        torch.testing.assert_close(loss(logits, targets, weight), expected)
        counts += (weight[:, None] * dense)[valid].sum(0)
    torch.testing.assert_close(loss.counts.sums[0], counts)


@pytest.mark.parametrize("priors", [[0.5, 0.0], [-1.0, 2.0], [], [[0.5, 0.5]], [float("nan"), 1.0]])
def test_priors_that_are_none_are_named(priors):
    with pytest.raises(ValueError, match="`priors` to be None or a list of numbers above 0"):
        LogitAdjustedLoss(priors)
    with pytest.raises(TypeError, match="`priors` to be None or a list of numbers above 0, but got 'x'"):
        LogitAdjustedLoss("x")


def test_priors_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="`inputs` to hold 2 classes"):
        LogitAdjustedLoss([0.5, 0.5])(torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="`num_classes` to be None or that of the priors, 2, but got 3"):
        LogitAdjustedLoss([0.5, 0.5], num_classes=3)
    with pytest.raises(ValueError, match="`tau`"):
        LogitAdjustedLoss(tau=-1)
