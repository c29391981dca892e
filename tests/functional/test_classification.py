"""GHM-C against the literal oracle, in value and gradient, and as properties."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import harmonizing as oracle

import torchghm
from torchghm.functional import ghmc_loss

SEEDS = st.integers(0, 2**31 - 1)


def make_batch(seed: int, rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Float64 logits, integer targets with background and ignored rows, weights that are sometimes 0."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    targets = torch.randint(-1, classes, (rows,), generator=generator)
    targets[torch.rand(rows, generator=generator) < 0.15] = -100
    weights = torch.rand(rows, generator=generator, dtype=torch.float64) * 3
    weights[torch.rand(rows, generator=generator) < 0.1] = 0
    return logits, targets, weights


def sigmoid_oracle(logits, targets, weights, **options):
    """Value and gradient of the sigmoid form by loops."""
    losses, derivatives, norms, amounts, places = [], [], [], [], []
    for row in range(logits.shape[0]):
        for column in range(logits.shape[1]):
            label = targets[row].item() if targets.dim() == 1 else None
            if label == -100:
                continue
            target = float(label == column) if label is not None else targets[row, column].item()
            loss, derivative, norm = oracle.sigmoid_cross_entropy(logits[row, column].item(), target)
            losses.append(loss)
            derivatives.append(derivative)
            norms.append(norm)
            amounts.append(weights[row].item() if weights is not None else 1.0)
            places.append((row, column))
    value, factors = oracle.mean_harmonized(losses, norms, amounts, **options)
    gradient = torch.zeros_like(logits)
    for place, factor, derivative in zip(places, factors, derivatives, strict=True):
        gradient[place] = factor * derivative
    return value, gradient


def softmax_oracle(logits, targets, weights, **options):
    losses, derivatives, norms, amounts, rows = [], [], [], [], []
    for row in range(logits.shape[0]):
        label = targets[row].item() if targets.dim() == 1 else None
        if label is not None and label < 0:
            continue
        target = (
            [float(label == column) for column in range(logits.shape[1])]
            if label is not None
            else targets[row].tolist()
        )
        loss, derivative, norm = oracle.softmax_cross_entropy(logits[row].tolist(), target)
        losses.append(loss)
        derivatives.append(derivative)
        norms.append(norm)
        amounts.append(weights[row].item() if weights is not None else 1.0)
        rows.append(row)
    value, factors = oracle.mean_harmonized(losses, norms, amounts, **options)
    gradient = torch.zeros_like(logits)
    for row, factor, derivative in zip(rows, factors, derivatives, strict=True):
        gradient[row] = factor * torch.tensor(derivative, dtype=logits.dtype)
    return value, gradient


def value_and_gradient(loss, logits, *arguments, **options):
    logits = logits.clone().requires_grad_()
    value = loss(logits, *arguments, **options)
    value.backward()
    return value.item(), logits.grad


@settings(max_examples=25, deadline=None)
@given(
    seed=SEEDS,
    rows=st.integers(1, 40),
    classes=st.integers(1, 5),
    bins=st.sampled_from([1, 7, 10, 30]),
    density=st.sampled_from(["regions", "exact"]),
    normalize=st.sampled_from(["occupied", "regions"]),
    max_weight=st.sampled_from([None, 1.0, 3.0]),
    weighted=st.booleans(),
    activation=st.sampled_from(["sigmoid", "softmax"]),
    soft=st.booleans(),
)
def test_equals_the_definition(seed, rows, classes, bins, density, normalize, max_weight, weighted, activation, soft):
    logits, targets, weights = make_batch(seed, rows, classes)
    if activation == "softmax":
        targets = targets.where(targets != -1, 0)
    if soft:
        targets = logits.roll(1, 0).sigmoid() if activation == "sigmoid" else logits.roll(1, 0).softmax(1)
    weights = weights if weighted else None
    options = {"bins": bins, "density": density, "normalize": normalize, "max_weight": max_weight}
    expected = (sigmoid_oracle if activation == "sigmoid" else softmax_oracle)(logits, targets, weights, **options)
    value, gradient = value_and_gradient(ghmc_loss, logits, targets, weights, activation=activation, **options)
    assert value == pytest.approx(expected[0], rel=1e-9, abs=1e-12)
    torch.testing.assert_close(gradient, expected[1], rtol=1e-8, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, density=st.sampled_from(["regions", "exact"]))
def test_one_region_is_mean_cross_entropy(seed, density):
    logits, _, _ = make_batch(seed, 20, 3)
    targets = (torch.rand(20, 3) < 0.3).double()
    value, gradient = value_and_gradient(ghmc_loss, logits, targets, bins=1)
    expected, expected_gradient = value_and_gradient(F.binary_cross_entropy_with_logits, logits, targets)
    assert value == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(gradient, expected_gradient)
    labels = targets.argmax(1)
    value, gradient = value_and_gradient(ghmc_loss, logits, labels, bins=1, activation="softmax")
    expected, expected_gradient = value_and_gradient(F.cross_entropy, logits, labels)
    assert value == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(gradient, expected_gradient)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, density=st.sampled_from(["regions", "exact"]), activation=st.sampled_from(["sigmoid", "softmax"]))
def test_weight_two_is_the_example_twice(seed, density, activation):
    logits, targets, _ = make_batch(seed, 12, 4)
    targets = targets.clamp(min=0) if activation == "softmax" else targets
    twice = torch.randint(1, 3, (12,), generator=torch.Generator().manual_seed(seed)).double()
    repeated = twice.long()
    options = {"activation": activation, "density": density}
    weighted = ghmc_loss(logits, targets, twice, **options)
    copied = ghmc_loss(logits.repeat_interleave(repeated, 0), targets.repeat_interleave(repeated), **options)
    assert weighted.item() == pytest.approx(copied.item(), rel=1e-10)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_order_of_examples_does_not_matter(seed):
    logits, targets, weights = make_batch(seed, 30, 3)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
    one = ghmc_loss(logits, targets, weights)
    other = ghmc_loss(logits[order], targets[order], weights[order])
    assert one.item() == pytest.approx(other.item(), rel=1e-10)


def test_integer_and_dense_targets_agree():
    logits, targets, _ = make_batch(0, 50, 4)
    targets = targets.where(targets != -100, -1)
    dense = (targets[:, None] == torch.arange(4)).double()
    torch.testing.assert_close(ghmc_loss(logits, targets), ghmc_loss(logits, dense))
    torch.testing.assert_close(ghmc_loss(logits, dense.bool()), ghmc_loss(logits, dense))


def test_softmax_of_two_classes_is_the_sigmoid_form():
    logits, _, _ = make_batch(1, 60, 1)
    targets = torch.randint(0, 2, (60,))
    pair = torch.cat([torch.zeros_like(logits), logits], 1)
    sigmoid = ghmc_loss(logits, targets[:, None].double())
    torch.testing.assert_close(ghmc_loss(pair, targets, activation="softmax"), sigmoid)


def test_class_axis_in_front_of_the_image():
    logits = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    targets = torch.randint(0, 5, (2, 3, 4))
    targets[0, 0, 0] = -100
    last = logits.movedim(1, -1)
    for activation in ("sigmoid", "softmax"):
        unreduced = ghmc_loss(logits, targets, class_dim=1, activation=activation, reduction="none")
        expected = ghmc_loss(last, targets, activation=activation, reduction="none")
        assert unreduced.shape == (logits.shape if activation == "sigmoid" else targets.shape)
        torch.testing.assert_close(unreduced, expected.movedim(-1, 1) if activation == "sigmoid" else expected)


def test_reductions_agree():
    logits, targets, weights = make_batch(3, 40, 3)
    mean, total, each = (ghmc_loss(logits, targets, weights, reduction=r) for r in ("mean", "sum", "none"))
    examples = weights[targets != -100].sum() * 3
    torch.testing.assert_close(each.sum(), total)
    torch.testing.assert_close(total / examples, mean)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_no_valid_example(activation):
    logits = torch.randn(4, 3, requires_grad=True)
    for inputs, targets in ((logits, torch.full((4,), -100)), (logits[:0], torch.zeros(0, dtype=torch.long))):
        loss = ghmc_loss(inputs, targets, activation=activation)
        loss.backward()
        assert loss.item() == 0
        assert (logits.grad == 0).all()


def test_gradient_is_that_of_the_loss_with_beta_held_fixed():
    logits, targets, weights = make_batch(5, 6, 3)

    def fixed(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            norm = torchghm.functional.gradient_norm_sigmoid(logits, targets)
            beta = torchghm.functional.harmonizing_weights(norm, weights[:, None])
        dense = (targets[:, None] == torch.arange(3)).double()
        valid = (targets != -100)[:, None]
        loss = F.binary_cross_entropy_with_logits(x, dense, reduction="none")
        return (beta * weights[:, None] * loss).where(valid, 0.0).sum() / (weights[:, None] * valid).sum() / 3

    assert torch.autograd.gradcheck(fixed, (logits.clone().requires_grad_(),))
    _, gradient = value_and_gradient(ghmc_loss, logits, targets, weights)
    _, expected = value_and_gradient(fixed, logits)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_the_same_loss_of_rounded_logits(dtype):
    logits, targets, _ = make_batch(7, 200, 5)
    logits = logits.to(dtype)
    value, gradient = value_and_gradient(ghmc_loss, logits, targets)
    expected, expected_gradient = value_and_gradient(ghmc_loss, logits.float().double(), targets)
    assert gradient.dtype == dtype
    assert value == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=2e-2, atol=1e-6)


def test_four_million_examples_and_one_outlier_in_half_precision():
    """The count of the crowd overflows float16 and the outlier's weight is 4e6 / 30; neither may become inf."""
    logits = torch.full((4_000_000, 1), -8.0, dtype=torch.float16)
    logits[0] = 8.0
    value, gradient = value_and_gradient(ghmc_loss, logits, torch.full((4_000_000,), -1))
    assert value == pytest.approx(8.0 / 2, rel=1e-3)  # two occupied regions of equal weight
    assert gradient.isfinite().all()


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_nonfinite_logits(activation):
    logits, targets, _ = make_batch(9, 30, 3)
    targets = targets.clamp(min=0)
    broken = logits.clone()
    broken[3, 1], broken[4, 0], broken[5, 2] = float("nan"), float("inf"), float("-inf")
    kept = torch.ones(30, dtype=torch.bool)
    kept[3:6] = False
    options = {"activation": activation}
    assert ghmc_loss(broken[:4], targets[:4], **options).isnan()
    with pytest.raises(ValueError, match=r"`inputs` to be finite, but got 3 value"):
        ghmc_loss(broken, targets, nonfinite="raise", **options)
    value, gradient = value_and_gradient(ghmc_loss, broken, targets, nonfinite="ignore", **options)
    if activation == "softmax":
        expected = ghmc_loss(logits[kept], targets[kept], **options)
    else:
        dense = F.one_hot(targets, 3).double()
        finite = broken.isfinite()
        expected = ghmc_loss(broken[finite], dense[finite])
    assert value == pytest.approx(expected.item(), rel=1e-12)
    assert gradient.isfinite().all()
    assert (gradient[~broken.isfinite()] == 0).all()


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("loss", [ghmc_loss, torchghm.functional.focal_loss])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_an_ignored_row_holds_reaches_nothing(activation, loss, value):
    logits = torch.tensor([[0.5, -1.0], [value, 0.0]], requires_grad=True)
    result = loss(logits, torch.tensor([0, -100]), activation=activation)
    result.backward()
    torch.testing.assert_close(result, loss(logits[:1], torch.tensor([0]), activation=activation))
    assert logits.grad[1].tolist() == [0, 0]


def test_huge_logits_stay_in_the_table():
    logits = torch.tensor([[1e30, -1e30, 0.0]])
    loss = ghmc_loss(logits, torch.tensor([1]))
    assert loss.isfinite()


def test_torch_func():
    logits, targets, _ = make_batch(11, 8, 3)
    gradient = torch.func.grad(lambda x: ghmc_loss(x, targets, validate=False))(logits)
    _, expected = value_and_gradient(ghmc_loss, logits, targets)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((torch.zeros(4, 3), torch.zeros(3, 3)), {}, ValueError, r"`targets` \(floats\).*\[4, 3\].*\[3, 3\]"),
        ((torch.zeros(4, 3), torch.zeros(4, 3, dtype=torch.long)), {}, ValueError, r"`targets` \(integers\)"),
        ((torch.zeros(4, 3), torch.tensor([0, 1, 2, 3])), {}, ValueError, "class indices from 0 to 2.*got 1 other"),
        ((torch.zeros(4, 3), torch.full((4, 3), 1.5)), {}, ValueError, r"values in \[0, 1\], but got 12 other"),
        ((torch.zeros(4, 3), torch.full((4, 3), float("nan"))), {}, ValueError, r"values in \[0, 1\]"),
        ((torch.zeros(4, 3), torch.tensor([0, -1, 1, 2])), {"activation": "softmax"}, ValueError, "0 to 2 or `ignore"),
        ((torch.zeros(4, 3, dtype=torch.long), torch.zeros(4, dtype=torch.long)), {}, TypeError, "`inputs`.*int64"),
        ((torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), torch.ones(3)), {}, ValueError, r"`weight`.*\[3\]"),
        ((torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)), {"bins": 0}, ValueError, "`bins`.*got 0"),
        ((torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)), {"reduction": "avg"}, ValueError, "`reduction`"),
        ((torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)), {"density": "kde"}, ValueError, "`density`.*'kde'"),
        ((torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)), {"max_weight": 0}, ValueError, "`max_weight`"),
        ((torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)), {"class_dim": 2}, ValueError, "`class_dim`"),
        ((torch.tensor(0.0), torch.tensor(0.0)), {}, ValueError, "class axis"),
        ((torch.zeros(4, 0), torch.full((4,), -1)), {}, ValueError, "class axis of at least 1"),
    ],
)
def test_mistakes_are_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        ghmc_loss(*arguments, **options)
