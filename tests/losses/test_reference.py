"""The reference mode against mmdetection's own file, over 20 steps."""

from __future__ import annotations

import pytest
import torch
from tests.oracles.mmdetection import load_ghm_losses

from torchghm import GHMCLoss, GHMRLoss, ReferenceGHMC, ReferenceGHMR


@pytest.fixture(scope="module")
def mmdetection():
    return load_ghm_losses()


def compare_step(ours, theirs, arguments):
    inputs, reference_inputs = (arguments[0].clone().requires_grad_() for _ in range(2))
    value, expected = ours(inputs, *arguments[1:]), theirs(reference_inputs, *arguments[1:])
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-7)
    value.backward()
    expected.backward()
    torch.testing.assert_close(inputs.grad, reference_inputs.grad, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("momentum", [0, 0.75])
@pytest.mark.parametrize("dense", [True, False])
def test_ghmc(mmdetection, momentum, dense):
    ours, theirs = ReferenceGHMC(30, momentum, loss_weight=2.0), mmdetection.GHMC(30, momentum, loss_weight=2.0)
    generator = torch.Generator().manual_seed(0)
    for step in range(20):
        for rows in (400, 100, 25, 6, 1):  # five levels, one state
            logits = torch.randn(rows, 8, generator=generator) * 3 - step / 4
            labels = torch.randint(0, 9, (rows,), generator=generator)  # 8 is background
            valid = (torch.rand(rows, generator=generator) < 0.9).float()
            if dense:
                targets = (labels[:, None] == torch.arange(8)).float()
                compare_step(ours, theirs, (logits, targets, valid[:, None].expand_as(targets)))
            else:
                compare_step(ours, theirs, (logits, labels, valid))
    if momentum:
        torch.testing.assert_close(ours.acc_sum, theirs.acc_sum)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize("momentum", [0, 0.7])
def test_ghmr(mmdetection, momentum):
    ours, theirs = ReferenceGHMR(0.02, 10, momentum, 10.0), mmdetection.GHMR(0.02, 10, momentum, 10.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        for boxes in (60, 10, 1):
            predicted = torch.randn(boxes, 4, generator=generator) * 0.1
            target = torch.randn(boxes, 4, generator=generator) * 0.02
            weight = (torch.rand(boxes, 1, generator=generator) < 0.8).float().expand(boxes, 4)
            compare_step(ours, theirs, (predicted, target, weight))
    if momentum:
        torch.testing.assert_close(ours.acc_sum, theirs.acc_sum)
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_nothing_valid(mmdetection):
    for loss in (ReferenceGHMC(10, 0.75), mmdetection.GHMC(10, 0.75)):
        assert loss(torch.randn(3, 2), torch.zeros(3, 2), torch.zeros(3, 2)) == 0


def test_softmax_and_sums_are_refused():
    with pytest.raises(NotImplementedError, match="`use_sigmoid` to be True, .* but got False"):
        ReferenceGHMC(use_sigmoid=False)
    for kind in (ReferenceGHMC, ReferenceGHMR):
        with pytest.raises(ValueError, match="`reduction` to be one of 'mean', 'none', but got 'sum'"):
            kind(reduction="sum")
        with pytest.raises(ValueError, match="`reduction_override` to be one of 'mean', 'none', but got 'sum'"):
            kind()(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1), reduction_override="sum")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_memory_stays_float32(dtype):
    logits, weight = torch.randn(100_000, 1), torch.ones(100_000, 1)
    cast, kept = ReferenceGHMC(10, 0.75).to(dtype), ReferenceGHMC(10, 0.75)
    for loss in (cast, kept):
        value = loss(logits.to(dtype), torch.zeros(100_000, 1), weight)
        assert torch.isfinite(value)
    assert cast.acc_sum.dtype == cast.edges.dtype == torch.float32
    torch.testing.assert_close(cast.acc_sum, kept.acc_sum, rtol=2e-2, atol=0)


@pytest.mark.parametrize(
    ("loss", "arguments"),
    [
        (ReferenceGHMC(), (torch.zeros(4, 3), torch.zeros(4, 1), torch.ones(4, 3))),
        (ReferenceGHMC(), (torch.zeros(4, 3), torch.zeros(4, 3), torch.ones(4))),
        (ReferenceGHMC(), (torch.zeros(4, 3), torch.zeros(3), torch.ones(3))),
        (ReferenceGHMR(), (torch.zeros(4, 4), torch.zeros(1, 4), torch.ones(4, 4))),
        (ReferenceGHMR(), (torch.zeros(4, 4), torch.zeros(4, 4), torch.ones(4, 1))),
    ],
)
def test_unlike_shapes_are_refused(loss, arguments):
    with pytest.raises(ValueError, match=r"`(target|label_weight)` to be shaped like `pred` \["):
        loss(*arguments)


def test_a_state_saved_without_momentum_loads_as_no_memory():
    criterion = GHMCLoss.published(bins=10)
    criterion.load_state_dict(ReferenceGHMC(bins=10, momentum=0).state_dict())
    assert criterion.density_state.seen == 0
    assert (criterion.density_state.fractions == 0).all()


def test_diagnostics_are_those_of_the_harmonized_losses():
    """Without an average, and with every example valid, both forms see the same."""
    logits, targets = torch.randn(200, 4) * 2, torch.randint(-1, 4, (200,))
    ours, reference = GHMCLoss.published(bins=10, momentum=0), ReferenceGHMC(bins=10)
    ours(logits, targets)
    reference(logits, targets, torch.ones(200))
    check_same(reference.diagnostics, ours.diagnostics)
    assert 0 < float(reference.diagnostics.positive_share) < 1
    predicted, encoded = torch.randn(50, 4) / 10, torch.randn(50, 4) / 10
    ours, reference = GHMRLoss.published(momentum=0), ReferenceGHMR()
    ours(predicted, encoded)
    reference(predicted, encoded, torch.ones(50, 4))
    check_same(reference.diagnostics, ours.diagnostics)


def check_same(diagnostics, expected):
    for name in ("plain_loss", "positive_share", "histogram", "fractions", "beta", "occupied_regions", "largest_beta"):
        found, wanted = getattr(diagnostics, name), getattr(expected, name)
        if wanted is None:
            assert found is None
        else:
            torch.testing.assert_close(found.double(), wanted.double(), rtol=1e-5, atol=1e-7)
