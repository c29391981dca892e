"""A checkpoint that mmdetection's trainer wrote gives our losses its counts."""

from __future__ import annotations

import pytest
import torch
from tests.oracles.mmdetection import load_ghm_losses

from torchghm import GHMCLoss, GHMRLoss, ReferenceGHMC, ReferenceGHMR


def checkpoint_of(losses, path):
    """Write a checkpoint as mmdetection's trainer does, and read its weights without running code."""
    head = torch.nn.ModuleDict({"bbox_head": torch.nn.ModuleDict(losses)})
    torch.save({"meta": {"epoch": 12}, "state_dict": head.state_dict()}, path)
    return torch.load(path, weights_only=True)["state_dict"]


def test_a_checkpoint_of_mmdetection_gives_its_counts(tmp_path):
    mmdetection = load_ghm_losses()
    theirs = {"loss_cls": mmdetection.GHMC(30, 0.75), "loss_bbox": mmdetection.GHMR(0.02, 10, 0.7)}
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        targets = (torch.rand(400, 8, generator=generator) < 0.1).float()
        theirs["loss_cls"](torch.randn(400, 8, generator=generator), targets, torch.ones(400, 8))
        theirs["loss_bbox"](torch.randn(60, 4, generator=generator) * 0.1, torch.zeros(60, 4), torch.ones(60, 4))
    saved = checkpoint_of(theirs, tmp_path / "epoch_12.pth")
    assert {"bbox_head.loss_cls.acc_sum", "bbox_head.loss_bbox.acc_sum"} <= saved.keys()

    reference = {"loss_cls": ReferenceGHMC(30, 0.75), "loss_bbox": ReferenceGHMR(0.02, 10, 0.7)}
    ours = {"loss_cls": GHMCLoss.published(), "loss_bbox": GHMRLoss.published()}
    for losses in (reference, ours):
        torch.nn.ModuleDict({"bbox_head": torch.nn.ModuleDict(losses)}).load_state_dict(saved)
    for name, loss in theirs.items():
        assert torch.equal(reference[name].acc_sum, loss.acc_sum)
        state = ours[name].density_state
        torch.testing.assert_close(state.fractions, loss.acc_sum / loss.acc_sum.sum())
        assert state.seen == 1
        assert state.fractions.sum() == pytest.approx(1)

    default = GHMCLoss()
    with pytest.warns(UserWarning, match=r"counted no positives, so that the average over iterations starts anew"):
        default.load_state_dict(theirs["loss_cls"].state_dict())
    assert default.density_state.seen == 0

    with pytest.raises(RuntimeError, match="saved with 30 regions, but this loss has 10"):
        GHMCLoss(10, 0.75).load_state_dict(theirs["loss_cls"].state_dict())


def test_counts_of_a_fixed_mu_are_refused_by_a_mu_that_follows():
    theirs = load_ghm_losses().GHMR(0.02, 10, 0.7)
    with pytest.raises(RuntimeError, match="counted with a fixed mu, but this loss has mu='auto'"):
        GHMRLoss().load_state_dict(theirs.state_dict())


@pytest.mark.parametrize(("saved", "loaded"), [(0.0, 0.75), (0.75, 0.0)])
def test_a_momentum_may_be_switched_on_or_off(saved, loaded):
    mmdetection = load_ghm_losses()
    for theirs, ours in (
        (mmdetection.GHMC(30, saved), ReferenceGHMC(30, loaded)),
        (mmdetection.GHMR(0.02, 10, saved), ReferenceGHMR(0.02, 10, loaded)),
    ):
        ours.load_state_dict(theirs.state_dict())
        assert hasattr(ours, "acc_sum") == (loaded > 0)
        assert torch.equal(ours.edges, theirs.edges)
