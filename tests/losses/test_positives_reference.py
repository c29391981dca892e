"""GHM-C measured against the positives: no region counts for more than ten examples a positive."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tests.oracles import harmonizing as oracle

from torchghm import GHMCLoss, GHMRLoss
from torchghm.functional import ghmc_loss, ghmr_loss, harmonizing_weights

BINS = 10


def batch(seed, rows=90, positives=20):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 2, generator=generator, dtype=torch.float64) * 2 - 1
    targets = torch.full((rows,), -1)
    targets[:positives] = torch.randint(0, 2, (positives,), generator=generator)
    return logits, targets


def dense(targets):
    return torch.nn.functional.one_hot(targets.clamp(min=0), 2).double() * (targets >= 0)[:, None]


def start(negatives, prior=0.01):
    """One positive and so many negatives, all with the score that a detector's prior gives them."""
    logits = torch.full((negatives + 1, 1), math.log(prior / (1 - prior)))
    targets = torch.full((negatives + 1,), -1)
    targets[0] = 0
    return logits, targets


@pytest.mark.parametrize("backend", ["eager", "cpu"])
@pytest.mark.parametrize("density", ["regions", "exact"])
@pytest.mark.parametrize("negatives", [300, 3_000, 30_000])
def test_positives_lead_the_first_step_whatever_the_imbalance(negatives, density, backend):
    logits, targets = start(negatives)
    logits.requires_grad_()
    loss = GHMCLoss(density=density, backend=backend)
    loss(logits, targets).backward()
    share = logits.grad[0].abs().sum() / logits.grad.abs().sum()
    assert share >= 0.2
    assert float(loss.diagnostics.positive_share) == pytest.approx(float(share), rel=1e-4)


@pytest.mark.parametrize("backend", ["eager", "cpu"])
@pytest.mark.parametrize("average", ["positives", "examples"])
@pytest.mark.parametrize("training", [True, False])
def test_regions_and_positives_are_averaged_over_iterations(backend, average, training):
    momentum = 0.75
    loss = GHMCLoss(BINS, momentum, average=average, backend=backend)
    fractions, share, seen = [0.0] * BINS, 0.0, 0.0
    for seed, count in enumerate((20, 5, 0, 40)):
        logits, targets = batch(seed, positives=count)
        loss.train(training or seed < 3)
        value = loss(logits, targets)
        losses, _, norms = zip(
            *map(oracle.sigmoid_cross_entropy, logits.flatten().tolist(), dense(targets).flatten().tolist()),
            strict=True,
        )
        regions = [oracle.region(norm, BINS) for norm in norms]
        examples = len(norms)
        fractions = [
            momentum * old + (1 - momentum) * regions.count(number) / examples for number, old in enumerate(fractions)
        ]
        share = momentum * share + (1 - momentum) * count / examples
        seen = momentum * seen + (1 - momentum)
        reference = 10 * max(share / seen, 1 / examples)
        beta = [min(1.0, reference / (fraction / seen)) if fraction else 0.0 for fraction in fractions]
        total = sum(beta[number] * one for number, one in zip(regions, losses, strict=True))
        assert float(value) == pytest.approx(total / (max(count, 1) if average == "positives" else examples), rel=1e-5)


@pytest.mark.parametrize("density", ["regions", "exact"])
@pytest.mark.parametrize("max_weight", [None, 1.0])
def test_the_functional_form_against_its_definition(density, max_weight):
    logits, targets = batch(5)
    weight = torch.rand(90, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    amounts = weight[:, None].expand(90, 2).flatten().tolist()
    losses, _, norms = zip(
        *map(oracle.sigmoid_cross_entropy, logits.flatten().tolist(), dense(targets).flatten().tolist()), strict=True
    )
    options = {"bins": BINS, "density": density, "normalize": "positives", "max_weight": max_weight}
    positives = float(weight[:20].sum())
    wanted, _ = oracle.mean_harmonized(list(losses), list(norms), amounts, positives=positives, **options)
    for given in (targets, dense(targets)):
        assert float(ghmc_loss(logits, given, weight, **options)) == pytest.approx(wanted)
    beta = harmonizing_weights(torch.tensor(norms), torch.tensor(amounts), positives=positives, **options)
    expected = oracle.harmonizing_weights(list(norms), amounts, positives=positives, **options)
    torch.testing.assert_close(beta, torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=0)


def test_without_a_positive_a_region_counts_for_ten_examples():
    logits = torch.zeros(50, 1)
    loss = GHMCLoss(reduction="sum")
    value = loss(logits, torch.full((50,), -1))
    assert float(value) == pytest.approx(10 * math.log(2))
    assert GHMCLoss()(torch.zeros(0, 3, requires_grad=True), torch.zeros(0, dtype=torch.int64)) == 0


def test_a_state_that_counted_no_positives_begins_anew():
    old = GHMCLoss(normalize="occupied")
    old(*batch(1))
    loss = GHMCLoss()
    loss(*batch(2))
    with pytest.warns(UserWarning, match="counted no positives"):
        loss.load_state_dict(old.state_dict())
    assert all(not buffer.any() for buffer in loss.buffers())
    fresh = GHMCLoss()
    assert torch.equal(loss(*batch(3)), fresh(*batch(3)))


def test_a_state_that_counted_positives_gives_its_densities_to_other_references():
    new = GHMCLoss()
    new(*batch(1))
    loss = GHMCLoss(normalize="regions")
    loss.load_state_dict(new.state_dict())
    assert torch.equal(loss.density_state.fractions, new.density_state.fractions)
    assert "density_state.positives" not in loss.state_dict()


def test_evaluation_moves_nothing_and_reset_forgets_all():
    loss = GHMCLoss()
    loss(*batch(1))
    before = copy.deepcopy(loss.state_dict())
    assert before["density_state.positives"] > 0
    loss.eval()(*batch(2))
    assert all(torch.equal(value, before[name]) for name, value in loss.state_dict().items())
    loss.density_state.reset()
    assert all(not buffer.any() for buffer in loss.buffers())


def test_refuses_positives_where_every_example_is_one():
    with pytest.raises(ValueError, match="'occupied', 'regions' with activation='softmax'.*got 'positives'"):
        GHMCLoss(activation="softmax", normalize="positives")
    with pytest.raises(ValueError, match="got 'positives'"):
        ghmc_loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), activation="softmax", normalize="positives")
    with pytest.raises(ValueError, match="`normalize` to be one of 'occupied', 'regions', but got 'positives'"):
        GHMRLoss(normalize="positives")
    with pytest.raises(ValueError, match="`normalize` to be one of 'occupied', 'regions', but got 'positives'"):
        ghmr_loss(torch.zeros(2, 4), torch.zeros(2, 4), normalize="positives")
    with pytest.raises(ValueError, match="`positives` to be a number for normalize='positives', but got None"):
        harmonizing_weights(torch.rand(5), normalize="positives")
    assert GHMCLoss(activation="softmax").normalize == "occupied"
