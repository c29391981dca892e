"""GHMCLoss and GHMRLoss: the functional form with a memory, kept, restored and never surprised."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import torchghm
from torchghm import GHMCLoss, GHMRLoss
from torchghm.functional import ghmc_loss, ghmr_loss


def classification_batch(seed: int = 0, rows: int = 200, classes: int = 4):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator) * 3 - 2
    targets = torch.randint(-1, classes, (rows,), generator=generator)
    return logits, targets


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


def test_buffers_stay_float32_and_the_loss_survives_being_moved_about():
    loss = GHMCLoss.published(momentum=0.9)
    loss(*classification_batch())
    expected = copy.deepcopy(loss)(*classification_batch(1))
    fractions = loss.density_state.fractions.clone()
    for moved in (
        copy.deepcopy(loss).half().float(),
        copy.deepcopy(loss).to(torch.bfloat16),
        copy.deepcopy(loss).double(),
        pickle.loads(pickle.dumps(loss)),
    ):
        assert moved.density_state.fractions.dtype == torch.float32
        assert torch.equal(moved.density_state.fractions, fractions)
        torch.testing.assert_close(moved(*classification_batch(1)), expected)
    assert GHMCLoss.published().to("meta").density_state.fractions.is_meta


def test_buffers_are_updated_in_place():
    loss = GHMCLoss.published()
    buffer = loss.density_state.fractions
    loss(*classification_batch())
    assert loss.density_state.fractions is buffer
    assert buffer.sum() > 0


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


def test_a_refused_batch_does_not_touch_the_memory():
    loss = GHMCLoss.published(nonfinite="raise")
    logits, targets = classification_batch()
    loss(logits, targets)
    before = loss.density_state.fractions.clone()
    with pytest.raises(ValueError, match="finite"):
        loss(torch.full_like(logits, float("nan")), targets)
    assert torch.equal(loss.density_state.fractions, before)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (torchghm.CrossEntropyLoss(), torchghm.functional.cross_entropy_loss),
        (torchghm.FocalLoss(), torchghm.functional.focal_loss),
        (torchghm.OHEMLoss(), torchghm.functional.ohem_loss),
    ],
)
def test_classification_baselines(module, function):
    logits, targets = classification_batch()
    torch.testing.assert_close(module(logits, targets), function(logits, targets))
    plain = torchghm.functional.cross_entropy_loss(logits, targets, average="examples")
    torch.testing.assert_close(module.diagnostics.plain_loss, plain)
    pickle.loads(pickle.dumps(module))


@pytest.mark.parametrize("module", [torchghm.SmoothL1Loss, torchghm.ASL1Loss])
def test_box_baselines_average_over_boxes_or_coordinates(module):
    inputs, targets = torch.randn(6, 4), torch.randn(6, 4)
    coordinates, boxes = module(), module(average="boxes")
    torch.testing.assert_close(boxes(inputs, targets), 4 * coordinates(inputs, targets))
    torch.testing.assert_close(boxes.diagnostics.plain_loss, coordinates.diagnostics.plain_loss)


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
