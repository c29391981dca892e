"""A copy of a loss for each branch, with a state of its own."""

from __future__ import annotations

import pytest
import torch

import torchghm
from torchghm.integrations.branches import BranchLosses


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 3, generator=generator), torch.randint(-1, 3, (8,), generator=generator)


def test_each_branch_sees_its_own_batches():
    losses, alone = BranchLosses(torchghm.GHMCLoss()), torchghm.GHMCLoss()
    for seed in range(3):
        losses("other", *batch(seed + 10), training=True)
        torch.testing.assert_close(losses("last", *batch(seed), training=True), alone(*batch(seed)))
    torch.testing.assert_close(losses.branch("last").state_dict(), alone.state_dict())
    assert losses.calls == 6


def test_evaluation_is_no_call_and_moves_nothing():
    losses = BranchLosses(torchghm.GHMCLoss())
    losses("last", *batch(0), training=True)
    before = {name: value.clone() for name, value in losses.state_dict().items()}
    losses("last", *batch(1), training=False)
    assert losses.calls == 1
    torch.testing.assert_close(losses.state_dict(), before)


def test_state_brings_its_branches_and_other_shapes_are_refused():
    losses, again = BranchLosses(torchghm.GHMCLoss()), BranchLosses(torchghm.GHMCLoss())
    losses("auxiliary_0", *batch(0), training=True)
    again.load_state_dict(losses.state_dict())
    torch.testing.assert_close(again.state_dict(), losses.state_dict())
    with pytest.raises(RuntimeError, match="saved with 30 regions, but this loss has 7"):
        BranchLosses(torchghm.GHMCLoss(bins=7)).load_state_dict(losses.state_dict())
