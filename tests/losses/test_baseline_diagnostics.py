"""Diagnostics of the baselines' last call: against autograd, and against GHM-C's own histogram."""

from __future__ import annotations

import copy

import pytest
import torch

import torchghm

LOSSES = {
    "ce": torchghm.CrossEntropyLoss(),
    "focal": torchghm.FocalLoss(),
    "focal, half a power": torchghm.FocalLoss(alpha=None, gamma=0.5),
    "ohem": torchghm.OHEMLoss(),
    "asymmetric": torchghm.AsymmetricLoss(),
    "poly1": torchghm.Poly1FocalLoss(),
    "sce": torchghm.SymmetricCrossEntropyLoss(),
    "gce": torchghm.GeneralizedCrossEntropyLoss(),
    "eqlv2": torchghm.EqualizationLossV2(num_classes=5),
    "quality": torchghm.QualityFocalLoss(),
}


@pytest.fixture
def batch():
    torch.manual_seed(0)
    logits = (torch.randn(300, 5) * 2 - 1).requires_grad_()
    targets = torch.randint(-1, 5, (300,))
    targets[::7] = -100
    return logits, targets


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_positive_share_is_autograd_s(batch, name, weighted):
    logits, targets = batch
    weight = torch.rand(300) if weighted else None
    LOSSES[name](logits, targets, weight).backward()
    gradient = logits.grad.abs()
    of_positives = gradient[targets[:, None] == torch.arange(5)].sum()
    torch.testing.assert_close(LOSSES[name].diagnostics.positive_share, of_positives / gradient.sum())


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"ohem"}))
def test_positive_share_of_soft_targets(batch, name):
    logits, _ = batch
    targets = torch.rand(300, 5)
    LOSSES[name](logits, targets).backward()
    gradient = logits.grad.abs()
    expected = (gradient * targets).sum() / gradient.sum()
    torch.testing.assert_close(LOSSES[name].diagnostics.positive_share, expected)


@pytest.mark.parametrize("name", LOSSES)
def test_the_histogram_is_ghmc_s(batch, name):
    logits, targets = batch
    ghmc = torchghm.GHMCLoss(momentum=0)
    ghmc(logits, targets)
    LOSSES[name](logits, targets)
    seen = LOSSES[name].diagnostics
    torch.testing.assert_close(seen.histogram, ghmc.diagnostics.histogram)
    assert seen.occupied_regions == ghmc.diagnostics.occupied_regions
    assert not seen.histogram.requires_grad
    assert seen.largest_beta is None


def test_softmax_has_a_histogram_and_no_positives(batch):
    logits, targets = batch
    loss, ghmc = torchghm.CrossEntropyLoss(activation="softmax"), torchghm.GHMCLoss(activation="softmax", momentum=0)
    targets = targets.clamp(min=0)
    loss(logits, targets)
    ghmc(logits, targets)
    torch.testing.assert_close(loss.diagnostics.histogram, ghmc.diagnostics.histogram)
    assert loss.diagnostics.positive_share is None


def test_asl1_has_ghmr_s_histogram_and_smooth_l1_none():
    predicted, encoded = torch.randn(40, 4) / 20, torch.zeros(40, 4)
    loss, ghmr = torchghm.ASL1Loss(mu=0.05), torchghm.GHMRLoss(mu=0.05, momentum=0)
    loss(predicted, encoded)
    ghmr(predicted, encoded)
    torch.testing.assert_close(loss.diagnostics.histogram, ghmr.diagnostics.histogram)
    smooth = torchghm.SmoothL1Loss()
    smooth(predicted, encoded)
    assert smooth.diagnostics.histogram is None
    assert smooth.diagnostics.occupied_regions is None


def test_nothing_valid_is_no_gradient():
    loss = torchghm.FocalLoss()
    loss(torch.zeros(3, 2), torch.full((3,), -100))
    assert loss.diagnostics.positive_share == 0
    assert loss.diagnostics.histogram.sum() == 0


@pytest.mark.parametrize("name", LOSSES)
def test_compiles_in_one_graph(batch, name):
    logits, targets = batch
    torch.compiler.reset()  # one forward of them all, which is compiled anew for each: more often than is allowed
    loss, twin = copy.deepcopy(LOSSES[name]), copy.deepcopy(LOSSES[name])
    step = torch.compile(loss, backend="eager", fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(step(logits, targets), twin(logits, targets))
