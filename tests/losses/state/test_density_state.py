"""Average over iterations: of fractions, bias-corrected, saved, restored and moved between devices."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.losses.batches import classification_batch

import torchghm
from torchghm import GHMCLoss, GHMRLoss


def test_average_over_iterations_is_of_fractions_and_bias_corrected():
    """S_j = a S_j + (1 - a) R_j / N with the bias of the start divided out; empty regions decay."""
    loss = GHMCLoss.published(bins=10)
    average, seen = torch.zeros(10, dtype=torch.float64), 0.0
    for step, rows in enumerate([100, 1000, 37]):
        logits, targets = classification_batch(step, rows)
        loss(logits, targets)
        norm = torchghm.functional.gradient_norm_sigmoid(logits, targets)
        histogram = torchghm.functional.gradient_histogram(norm, 10)
        average = 0.75 * average + 0.25 * histogram / histogram.sum()
        seen = 0.75 * seen + 0.25
        torch.testing.assert_close(loss.diagnostics.fractions.double(), average / seen, rtol=1e-5, atol=1e-7)
        occupied = (histogram > 0).sum()
        expected = 1 / (average / seen * occupied)
        torch.testing.assert_close(loss.diagnostics.beta.double(), expected, rtol=1e-4, atol=0)


def test_a_repeated_batch_keeps_its_weights():
    loss = GHMCLoss.published()
    logits, targets = classification_batch()
    values = [loss(logits, targets).item() for _ in range(5)]
    assert values == pytest.approx([values[0]] * 5, rel=1e-5)


def test_empty_batch_leaves_the_memory_alone():
    loss = GHMCLoss.published()
    logits, targets = classification_batch()
    loss(logits, targets)
    before = copy.deepcopy(loss.state_dict())
    inputs = logits.clone().requires_grad_()
    value = loss(inputs, torch.full_like(targets, -100))
    value.backward()
    assert value.item() == 0
    assert (inputs.grad == 0).all()
    for name, buffer in loss.state_dict().items():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)


def test_evaluation_changes_nothing():
    loss = GHMCLoss.published(momentum=0.9)
    loss(*classification_batch(0))
    before = copy.deepcopy(loss.state_dict())
    loss.eval()
    first = loss(*classification_batch(1))
    torch.testing.assert_close(loss(*classification_batch(1)), first)
    for name, buffer in loss.state_dict().items():
        assert torch.equal(buffer, before[name])


@pytest.mark.parametrize(
    "make", [lambda: GHMCLoss.published(momentum=0.9), lambda: GHMCLoss.published(momentum=0.9, density="exact")]
)
def test_resumed_equals_uninterrupted(make, tmp_path):
    whole, first, second = make(), make(), make()
    for step in range(3):
        whole(*classification_batch(step))
        first(*classification_batch(step))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(second(*classification_batch(3)), whole(*classification_batch(3)))


def test_state_of_other_regions_is_refused_with_advice():
    with pytest.raises(
        RuntimeError, match="saved with 10 regions, but this loss has 30: build it with the same `bins`"
    ):
        GHMCLoss.published().load_state_dict(GHMCLoss.published(bins=10).state_dict())


@pytest.mark.parametrize(("saved", "loaded"), [(0.0, 0.75), (0.75, 0.0)])
def test_state_loads_whatever_the_momentum(saved, loaded):
    loss = GHMCLoss.published(momentum=saved)
    loss(*classification_batch())
    other = GHMCLoss.published(momentum=loaded)
    other.load_state_dict(loss.state_dict())
    torch.testing.assert_close(other(*classification_batch()), loss(*classification_batch()))


def test_buffers_are_updated_in_place():
    loss = GHMCLoss.published()
    buffer = loss.density_state.fractions
    loss(*classification_batch())
    assert loss.density_state.fractions is buffer
    assert buffer.sum() > 0


def test_a_refused_batch_does_not_touch_the_memory():
    loss = GHMCLoss.published(nonfinite="raise")
    logits, targets = classification_batch()
    loss(logits, targets)
    before = loss.density_state.fractions.clone()
    with pytest.raises(ValueError, match="finite"):
        loss(torch.full_like(logits, float("nan")), targets)
    assert torch.equal(loss.density_state.fractions, before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_does_not_reach_the_memory(bad):
    loss = GHMCLoss.published()
    logits, targets = classification_batch()
    loss(logits, targets)
    before = copy.deepcopy(loss.state_dict())
    weight = torch.ones(targets.shape)
    weight.view(-1)[0] = bad
    assert not loss(logits, targets, weight).isfinite()
    torch.testing.assert_close(loss.state_dict(), before, rtol=0, atol=0)


def test_a_region_not_seen_for_long_gives_no_nan():
    """Its density has decayed to almost nothing, and its weight is beyond float32."""
    loss = GHMRLoss.published()
    loss(torch.zeros(100, 4), torch.zeros(100, 4))
    far = torch.full((3, 4), 5.0, requires_grad=True)
    for _ in range(300):
        value = loss(far, torch.zeros_like(far))
        assert torch.autograd.grad(value, far)[0].isfinite().all()


def test_the_average_starts_anew_as_the_advice_says():
    old = GHMCLoss()
    for step in range(5):
        old(*classification_batch(step))
    for left in (["positives"], ["seen"], ["positives", "seen"]):  # not an average of these densities
        state = {key: value for key, value in old.state_dict().items() if key.split(".")[-1] in left}
        new = GHMCLoss(bins=10)
        new.load_state_dict(state, strict=False)
        assert torch.equal(new(*classification_batch(7)), GHMCLoss(bins=10)(*classification_batch(7)))
    with pytest.raises(RuntimeError, match=r"drop the keys that begin with density_state\. and load with strict=False"):
        GHMCLoss(bins=10).load_state_dict(old.state_dict())
