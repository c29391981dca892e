"""GHMCLoss and GHMRLoss: the functional form with a memory, kept, restored and never surprised."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.losses.batches import classification_batch

import torchghm
from torchghm import GHMCLoss, GHMRLoss
from torchghm.functional import ghmc_loss, ghmr_loss


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    momentum=st.sampled_from([0.0, 0.5, 0.75, 0.9, 0.99, 0.999]),
    density=st.sampled_from(["regions", "exact"]),
    activation=st.sampled_from(["sigmoid", "softmax"]),
    reduction=st.sampled_from(["mean", "sum", "none"]),
)
def test_first_step_is_the_functional_form_for_every_momentum(seed, momentum, density, activation, reduction):
    # enough examples that the functional form uses fine regions for the exact density, too
    logits, targets = classification_batch(seed, 300 if density == "regions" else 70_000, 3)
    targets = targets.clamp(min=0) if activation == "softmax" else targets
    logits = logits.double()  # in float32 an example within a rounding of an edge may lie in the next region
    options = {"activation": activation, "density": density, "reduction": reduction}
    loss = GHMCLoss.published(momentum=momentum, **options)
    inputs, expected_inputs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value, expected = loss(inputs, targets), ghmc_loss(expected_inputs, targets, bins=30, **options)
    value.sum().backward()
    expected.sum().backward()
    for actual, reference in ((value.detach(), expected.detach()), (inputs.grad, expected_inputs.grad)):
        assert (actual - reference).norm() < 1e-3 * reference.norm()


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_first_step_of_the_box_loss(momentum):
    inputs, targets = torch.randn(50, 4) * 0.05, torch.zeros(50, 4)
    torch.testing.assert_close(GHMRLoss.published(momentum=momentum)(inputs, targets), ghmr_loss(inputs, targets))


def test_mmdetection_state_loads():
    reference = torchghm.ReferenceGHMC(30, momentum=0.75)
    logits, targets = classification_batch()
    for _ in range(40):
        reference(logits, targets, torch.ones(targets.shape))
    loss = GHMCLoss.published()
    loss.load_state_dict(reference.state_dict())
    norm = torchghm.functional.gradient_norm_sigmoid(logits, targets)
    histogram = torchghm.functional.gradient_histogram(norm, 30)
    expected = histogram / histogram.sum()
    torch.testing.assert_close(loss.density_state.fractions.double(), expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(loss(logits, targets), ghmc_loss(logits, targets), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GHMCLoss.published(momentum=1.0), r"`momentum`.*\[0, 1\)"),
        (lambda: GHMCLoss.published(bins=0), "`bins`"),
        (lambda: GHMCLoss.published(activation="relu"), "`activation`.*'relu'"),
        (lambda: GHMCLoss.published(backend="tpu"), "`backend`.*'tpu'"),
        (lambda: GHMRLoss.published(mu=-1), "`mu`"),
        (lambda: torchghm.FocalLoss(gamma=-1), "`gamma`"),
        (lambda: torchghm.SmoothL1Loss(average="pixels"), "`average`.*'pixels'"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GHMCLoss(bins=True), "`bins`.*True"),
        (lambda: GHMCLoss(momentum="a"), r"`momentum` to be a number in \[0, 1\), but got 'a'"),
        (lambda: GHMCLoss(max_weight=[1]), r"`max_weight` to be None or a number above 0, but got \[1\]"),
        (lambda: GHMRLoss(mu=None), "`mu` to be 'auto' or a number above 0, but got None"),
        (lambda: torchghm.ReferenceGHMC(momentum="a"), "`momentum`"),
        (lambda: torchghm.FocalLoss(alpha="a"), "`alpha`"),
        (lambda: GHMCLoss(class_dim="a"), "`class_dim` to be an integer, but got 'a'"),
        (lambda: GHMCLoss(sync="maybe"), "`sync` to be True or False, but got 'maybe'"),
        (lambda: GHMRLoss(sync=1), "`sync`"),
        (lambda: GHMCLoss(validate="x"), "`validate`"),
        (lambda: torchghm.CrossEntropyLoss(sync="maybe"), "`sync`"),
        (lambda: torchghm.OHEMLoss(negatives_per_positive=None), "`negatives_per_positive`"),
    ],
)
def test_options_of_another_type_are_named(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize("loss", [GHMCLoss(), torchghm.CrossEntropyLoss(), GHMRLoss(), torchghm.SmoothL1Loss()])
def test_what_is_no_tensor_is_named(loss):
    numbers = torch.zeros(3, 2)
    with pytest.raises(TypeError, match="`inputs` to be a tensor, but got ndarray"):
        loss(numbers.numpy(), numbers)
    with pytest.raises(TypeError, match="`targets` to be a tensor, but got list"):
        loss(numbers, [1.0])
    with pytest.raises(TypeError, match="`weight` to be a tensor, but got list"):
        loss(numbers, numbers, [1.0])


def test_negative_weights_are_refused():
    logits, targets = classification_batch(rows=50)
    weight = torch.ones(50)
    weight[:20] = -5
    loss = GHMCLoss(bins=1)
    with pytest.raises(ValueError, match="`weight` to hold numbers of at least 0"):
        loss(logits, targets, weight)
    assert loss.density_state.seen == 0
    with pytest.raises(ValueError, match="`weight` to hold numbers of at least 0"):
        GHMRLoss(mu=0.1, bins=1)(logits, torch.zeros_like(logits), weight)


def test_an_infinite_cap_is_none():
    logits, targets = classification_batch()
    capless = GHMCLoss(max_weight=None)(logits, targets)
    assert torch.equal(GHMCLoss(max_weight=float("inf"))(logits, targets), capless)


@pytest.mark.parametrize("mu", [float("inf"), float("nan"), 0])
def test_mu_is_a_finite_number_above_0(mu):
    with pytest.raises(ValueError, match="`mu`"):
        GHMRLoss(mu=mu)


def test_values_are_checked_on_a_cpu_unless_told_not_to():
    logits, targets = classification_batch(rows=4)
    targets[0] = 99
    with pytest.raises(ValueError, match=r"class indices from 0 to 3.*got 1 other"):
        GHMCLoss.published()(logits, targets)
    unchecked = GHMCLoss.published(validate=False)(logits, targets)
    torch.testing.assert_close(unchecked, GHMCLoss.published()(logits[1:], targets[1:]))
    with pytest.raises(ValueError, match="got 1 value"):
        GHMCLoss.published(nonfinite="raise")(logits.where(logits != logits[0, 0], float("nan")), targets.clamp(max=3))


def test_exact_density_of_a_few_among_ten_million():
    """With the average over iterations in float32, prefix sums in float32 would lose them."""
    exact, with_memory = GHMCLoss.published(density="exact", momentum=0), GHMCLoss.published(density="exact")
    logits = torch.full((10_000_000, 1), -12.0)
    logits[:3, 0] = torch.tensor([0.0, 1.0, 6.0])
    targets = torch.full((10_000_000,), -1)
    for criterion in (exact, with_memory):
        criterion(logits, targets)
    region = slice(50 * exact.density_state.fractions.numel() // 100 - 1, None)
    torch.testing.assert_close(
        with_memory.diagnostics.table[region].double(), exact.diagnostics.table[region].double(), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize(
    "loss",
    [
        GHMCLoss.published(),
        GHMCLoss.published(density="exact"),
        GHMCLoss.published(activation="softmax"),
        GHMRLoss.published(),
        GHMRLoss.published(mu="auto"),
        torchghm.FocalLoss(),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_neither_loss_nor_diagnostics_wait_for_a_device(loss):
    """A meta tensor has no values: whoever asked for one would raise."""
    loss = copy.deepcopy(loss).to("meta")
    inputs = torch.zeros(6, 4, device="meta", requires_grad=True)
    targets = torch.zeros(6, 4) if isinstance(loss, GHMRLoss) else torch.zeros(6, dtype=torch.int64)
    loss(inputs, targets.to("meta")).backward()
    seen = loss.diagnostics
    for name in ("plain_loss", "positive_share", "histogram", "fractions", "beta", "occupied_regions", "largest_beta"):
        value = getattr(seen, name)
        assert value is None or value.device.type == "meta"


@pytest.mark.parametrize("backend", ["auto", "eager"])
@pytest.mark.parametrize("options", [{}, {"average": "examples"}, {"activation": "softmax"}, {"reduction": "none"}])
def test_no_gradient_flows_into_targets(backend, options):
    # a teacher's probabilities, not detached
    logits, targets = classification_batch(rows=6)[0].requires_grad_(), torch.rand(6, 4, requires_grad=True)
    loss = GHMCLoss(backend=backend, **options)
    loss(logits, targets.softmax(-1)).sum().backward()
    assert logits.grad is not None
    assert targets.grad is None
