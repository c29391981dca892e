"""Diagnostics of GHM's last call, against their definitions."""

from __future__ import annotations

import torch

import torchghm
from torchghm import GHMCLoss, GHMRLoss


def test_diagnostics():
    loss = GHMCLoss.published(bins=5, momentum=0.0)
    assert loss.diagnostics is None
    logits = torch.tensor([[0.0], [-4.0], [-4.0], [-4.0]])
    loss(logits, torch.tensor([0, -1, -1, -1]))
    seen = loss.diagnostics
    plain = torchghm.functional.cross_entropy_loss(logits, torch.tensor([0, -1, -1, -1]), average="examples")
    torch.testing.assert_close(seen.plain_loss, plain, check_dtype=False)
    assert seen.occupied_regions == 2
    torch.testing.assert_close(seen.histogram, torch.tensor([0.75, 0, 0.25, 0, 0], dtype=torch.float64))
    torch.testing.assert_close(seen.largest_beta, torch.tensor(2.0, dtype=torch.float64))  # N / (R n) = 4 / (1 * 2)
    easy = 4 / (3 * 2) * 3 * torch.tensor(-4.0).sigmoid()
    torch.testing.assert_close(seen.positive_share, 1 / (1 + easy), check_dtype=False)
    boxes = GHMRLoss.published()
    boxes(torch.randn(5, 4), torch.zeros(5, 4))
    assert boxes.diagnostics.positive_share is None
    assert boxes.diagnostics.histogram.shape == (10,)


def test_loss_is_nearly_constant_while_plain_loss_falls():
    """Fact 5 of the method: with all regions occupied the value says nothing about learning."""
    torch.manual_seed(0)
    logits = torch.linspace(-9, 9, 20_000)[:, None]
    loss = GHMCLoss.published(momentum=0.0)
    targets = (torch.rand(20_000) < torch.linspace(0, 1, 20_000)).long() - 1
    values, plain = [], []
    for scale in (0.5, 1.0, 2.0):
        values.append(loss(logits * scale, targets).item())
        plain.append(loss.diagnostics.plain_loss.item())
    assert max(values) / min(values) < 1.6
    assert max(plain) / min(plain) > 1.2
