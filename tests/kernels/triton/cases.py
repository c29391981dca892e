"""The Triton kernels against the eager passes and float64 loops; `test_passes.py` runs this file in its own process.

With TRITON_INTERPRET=1 the kernels run on the CPU, otherwise on the GPU.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.batches import (
    check_histogram,
    check_loss,
    examples_of,
    move_off_edges,
    random_examples,
    random_residuals,
)
from tests.oracles import harmonizing
from tests.oracles import passes as oracle

from torchghm.functional.examples import Examples, compute_dtype
from torchghm.functional.gradient_norm import gradient_norm_asl1, gradient_norm_sigmoid, gradient_norm_softmax
from torchghm.kernels import eager
from torchghm.kernels.triton import passes as kernels
from torchghm.kernels.triton import sigmoid as triton_sigmoid
from torchghm.kernels.triton.sigmoid_examples import rows_of_tile
from torchghm.kernels.triton.tiles import tile_span

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
NAN, INF = float("nan"), float("inf")
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")


def examples(
    activation: str, rows: int, classes: int, dtype: torch.dtype, targets: str, weight: str, regions: int, seed: int
) -> Examples:
    """Random examples, none so near an edge of a region that rounding decides."""
    torch.manual_seed(seed)
    logits = (3 * torch.randn(rows, classes, dtype=torch.float64)).to(dtype)
    if targets == "index":
        target = torch.randint(-1 if activation == "sigmoid" else 0, classes, (rows,))
        target[torch.rand(rows) < 0.1] = -100
        target[torch.rand(rows) < 0.05] = classes + 2**40
    else:
        target = torch.rand(rows, classes)
        if activation == "softmax":
            target /= target.sum(1, keepdim=True)
    double = logits.double()
    if activation == "sigmoid":
        doubtful = near_edge(gradient_norm_sigmoid(double, target), regions)
        logits[doubtful] = 1.0
        if targets == "soft":
            target[doubtful] = 0.0
    else:
        settled = ~near_edge(gradient_norm_softmax(double, target), regions)
        logits, target = logits[settled], target[settled]
    amount = {"none": None, "row": torch.rand(len(logits)), "logit": torch.rand(logits.shape)}[weight]
    if amount is not None:
        amount = amount.to(compute_dtype(logits)).to(DEVICE)
    return Examples(logits.to(DEVICE), target.to(DEVICE), amount)


def near_edge(norm: torch.Tensor, regions: int) -> torch.Tensor:
    scaled = norm * regions
    return ((scaled - scaled.round()).abs() < 3e-6 * scaled) & (norm < 1 - 1e-5)


def agree_with_eager(inputs: Examples, regions: int, **options: Any) -> None:
    """Histogram, loss, sums and gradient of the kernels equal those of the eager passes."""
    histogram = kernels.classification_histogram(*inputs, regions, *options.values())
    torch.testing.assert_close(histogram, eager.classification_histogram(inputs, regions, **options), rtol=1e-6, atol=0)

    table = torch.rand(regions, dtype=torch.float64, device=DEVICE)
    loss, sums, gradient = kernels.classification_loss_and_gradient(*inputs, table, *options.values())
    leaf = inputs.logits.clone().requires_grad_()
    expected, expected_sums = eager.classification_loss(inputs._replace(logits=leaf), table, **options)
    expected.double().sum().backward()
    assert loss.dtype == compute_dtype(leaf)
    rtol = 1e-10 if leaf.dtype == torch.float64 else 5e-6
    torch.testing.assert_close(loss.double(), expected.double().sum(), rtol=rtol, atol=1e-12)
    torch.testing.assert_close(sums, expected_sums.double(), rtol=rtol, atol=1e-12)
    check_gradient(gradient, leaf)


def check_gradient(gradient: torch.Tensor, leaf: torch.Tensor) -> None:
    assert gradient.dtype == leaf.dtype
    assert gradient.shape == leaf.shape
    assert gradient.is_contiguous()
    # Relative to the largest entry: 2 units in the last place of the narrow types.
    tolerance = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2, torch.float32: 2e-6, torch.float64: 1e-12}[leaf.dtype]
    atol = tolerance / 8 if leaf.dtype in (torch.float16, torch.bfloat16) else tolerance
    torch.testing.assert_close(gradient, leaf.grad, rtol=tolerance, atol=atol)


SHAPES = [
    # activation, rows, classes, dtype, targets, weight, regions
    ("sigmoid", 200, 80, torch.float32, "index", "none", 30),
    ("sigmoid", 97, 91, torch.float32, "index", "row", 30),
    ("sigmoid", 60, 91, torch.bfloat16, "index", "none", 3030),
    ("sigmoid", 60, 20, torch.float16, "index", "logit", 10),
    ("sigmoid", 55, 7, torch.float64, "index", "none", 30),
    ("sigmoid", 40, 5, torch.float32, "index", "logit", 100),
    ("sigmoid", 300, 3, torch.float32, "index", "row", 3030),
    ("sigmoid", 700, 1, torch.float32, "index", "row", 30),
    ("sigmoid", 33, 91, torch.float32, "soft", "none", 30),
    ("sigmoid", 50, 16, torch.bfloat16, "soft", "row", 1),
    ("sigmoid", 20, 3, torch.float64, "soft", "logit", 3030),
    ("sigmoid", 2, 5000, torch.float32, "index", "none", 30),
    ("sigmoid", 1, 1, torch.float32, "index", "none", 30),
    ("softmax", 200, 80, torch.float32, "index", "none", 30),
    ("softmax", 97, 21, torch.bfloat16, "index", "row", 3030),
    ("softmax", 700, 2, torch.float32, "index", "none", 10),
    ("softmax", 300, 1, torch.float32, "index", "none", 1),
    ("softmax", 3, 5000, torch.float32, "index", "none", 30),
    ("softmax", 3, 5000, torch.float64, "soft", "row", 30),
    ("softmax", 40, 7, torch.float64, "index", "row", 100),
    ("softmax", 60, 21, torch.float32, "soft", "none", 3030),
    ("softmax", 60, 5, torch.float16, "soft", "row", 10),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(str(part) for part in shape))
def test_classification(shape, seed):
    inputs = examples(*shape, seed=seed)
    agree_with_eager(inputs, shape[-1], activation=shape[0], ignore_index=-100, leave_out_nonfinite=bool(seed))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("ignore_index", [-1, 1, 255])
def test_ignore_index(activation, ignore_index):
    inputs = examples(activation, 100, 4, torch.float32, "index", "row", 10, seed=2)
    agree_with_eager(inputs, 10, activation=activation, ignore_index=ignore_index, leave_out_nonfinite=False)


def test_many_tiles():
    """More tiles than programs, the last one incomplete."""
    inputs = examples("sigmoid", 7001, 3, torch.float32, "index", "none", 30, seed=3)
    assert inputs.logits.numel() > 4 * triton_sigmoid.COUNTING_BLOCK
    agree_with_eager(inputs, 30, activation="sigmoid", ignore_index=-100, leave_out_nonfinite=False)
    inputs = examples("softmax", 7001, 2, torch.float32, "index", "row", 30, seed=3)
    agree_with_eager(inputs, 30, activation="softmax", ignore_index=-100, leave_out_nonfinite=False)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    activation=st.sampled_from(["sigmoid", "softmax"]),
    rows=st.integers(1, 40),
    classes=st.integers(2, 40),
    dtype=st.sampled_from(DTYPES),
    soft=st.booleans(),
    weight=st.sampled_from(["none", "row", "logit"]),
    regions=st.sampled_from([1, 2, 10, 30, 33, 303]),
    ignore_index=st.sampled_from([-100, -1, 0]),
    nonfinite=st.sampled_from([0.0, 0.05]),
)
def test_random_batches(seed, activation, rows, classes, dtype, soft, weight, regions, ignore_index, nonfinite):
    """Value and gradient against the literal passes; logits that are not finite are left out."""
    weight = "row" if activation == "softmax" and weight == "logit" else weight
    leave_out = nonfinite > 0
    inputs = random_examples(
        seed,
        activation=activation,
        rows=rows,
        classes=classes,
        dtype=dtype,
        soft=soft,
        weight=weight,
        nonfinite=nonfinite,
    )
    move_off_edges(inputs, activation, regions)
    batch, invalid = examples_of(inputs, activation, ignore_index)
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    placed = [None if part is None else part.to(DEVICE) for part in inputs]
    options = (activation, ignore_index, leave_out)
    histogram = kernels.classification_histogram(*placed, regions, *options)
    check_histogram(histogram.cpu(), oracle.histogram(batch, invalid, regions, leave_out_nonfinite=leave_out), dtype)
    loss, sums, gradient = kernels.classification_loss_and_gradient(*placed, table.to(DEVICE), *options)
    expected = oracle.loss_and_gradient(batch, table.tolist(), inputs.logits.numel(), leave_out_nonfinite=leave_out)
    check_loss(loss.cpu(), sums.cpu(), gradient.cpu(), expected, dtype)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    count=st.integers(1, 3000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    weighed=st.booleans(),
    regions=st.sampled_from([1, 2, 10, 30, 33, 303]),
    mu=st.sampled_from([0.02, 1.0]),
)
def test_random_residuals(seed, count, dtype, weighed, regions, mu):
    residual, weight, batch = random_residuals(seed, count, dtype, weighed, regions, mu)
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    placed = residual.to(DEVICE), None if weight is None else weight.to(DEVICE)
    histogram = kernels.regression_histogram(*placed, regions, mu, False)
    check_histogram(histogram.cpu(), oracle.histogram(batch, 0, regions, leave_out_nonfinite=False), dtype)
    loss, sums, gradient = kernels.regression_loss_and_gradient(*placed, table.to(DEVICE), mu, False)
    expected = oracle.loss_and_gradient(batch, table.tolist(), count, leave_out_nonfinite=False)
    check_loss(loss.cpu(), sums.cpu(), gradient.cpu(), expected, dtype)


@pytest.mark.parametrize("targets", ["index", "soft"])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_float64_loops(activation, targets):
    """One example at a time, as the paper writes it."""
    regions, classes = 10, 5
    inputs = examples(activation, 12, classes, torch.float32, targets, "row", regions, seed=4)
    table = torch.rand(regions, dtype=torch.float64)
    total, plain, histogram, gradient = 0.0, 0.0, [0.0] * regions, []
    for row, target, weight in zip(*(part.tolist() for part in inputs), strict=True):
        if targets == "index" and not -1 <= target < classes:
            gradient.append([0.0] * classes)
            continue
        desired = [float(target == c) for c in range(classes)] if targets == "index" else target
        if activation == "sigmoid":
            parts = [harmonizing.sigmoid_cross_entropy(x, t) for x, t in zip(row, desired, strict=True)]
            parts = [(loss, [derivative], norm) for loss, derivative, norm in parts]
        else:
            parts = [harmonizing.softmax_cross_entropy(row, desired)]
        gradient.append([])
        for loss, derivatives, norm in parts:
            index = harmonizing.region(norm, regions)
            histogram[index] += weight
            total += table[index].item() * weight * loss
            plain += weight * loss
            gradient[-1] += [table[index].item() * weight * derivative for derivative in derivatives]
    options = (activation, -100, False)
    found = kernels.classification_histogram(*inputs, regions, *options)[:regions]
    assert found.tolist() == pytest.approx(histogram, rel=1e-6)
    loss, sums, grad = kernels.classification_loss_and_gradient(*inputs, table.to(DEVICE), *options)
    assert loss.item() == pytest.approx(total, rel=2e-6)
    assert sums[0].item() == pytest.approx(plain, rel=2e-6)
    torch.testing.assert_close(grad.cpu().double(), torch.tensor(gradient, dtype=torch.float64), rtol=1e-5, atol=1e-6)


def nonfinite_examples(dtype: torch.dtype, label: int) -> Examples:
    largest = torch.finfo(dtype).max if dtype == torch.float16 else 1e30
    rows = [[value, 0.3, -1.0] for value in (NAN, INF, -INF, largest, -largest, 0.3)]
    return Examples(torch.tensor(rows, dtype=dtype, device=DEVICE), torch.full((6,), label, device=DEVICE), None)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_nonfinite_logits(activation, dtype):
    """No bad index, a count, and no trace in the gradient of other rows; label 0 is the bad logit, label 1 another."""
    for label, leave_out in itertools.product((0, 1), (False, True)):
        inputs = nonfinite_examples(dtype, label)
        options = {"activation": activation, "ignore_index": -100, "leave_out_nonfinite": leave_out}
        histogram = kernels.classification_histogram(*inputs, 30, *options.values())
        assert histogram.tolist() == eager.classification_histogram(inputs, 30, **options).tolist()
        assert histogram[30] == 3
        table = torch.ones(30, device=DEVICE)
        leaf = inputs.logits.clone().requires_grad_()
        eager.classification_loss(inputs._replace(logits=leaf), table, **options)[0].sum().backward()
        gradient = kernels.classification_loss_and_gradient(*inputs, table, *options.values())[2]
        torch.testing.assert_close(gradient, leaf.grad, rtol=1e-2, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("leave_out", [False, True])
def test_loss_of_nonfinite_logits(activation, leave_out):
    """Each row alone: NaN and infinities are in the loss, or left out of it."""
    options = {"activation": activation, "ignore_index": -100, "leave_out_nonfinite": leave_out}
    table = torch.ones(30, device=DEVICE)
    inputs = nonfinite_examples(torch.float32, 0)
    losses = []
    for row in range(6):
        one = Examples(inputs.logits[row : row + 1], inputs.targets[:1], None)
        losses.append(kernels.classification_loss_and_gradient(*one, table, *options.values())[0])
        expected = eager.classification_loss(one, table, **options)[0].sum()
        torch.testing.assert_close(losses[-1], expected, rtol=1e-5, atol=1e-6, equal_nan=True)
    assert all(loss.isfinite() for loss in losses) == leave_out


def test_softmax_that_begins_with_nothing():
    """A whole block of -inf before the first finite logit."""
    inputs = examples("softmax", 3, 5000, torch.float32, "index", "none", 30, seed=10)
    inputs.logits[:, :2100] = -INF
    inputs.targets[:] = 4000
    agree_with_eager(inputs, 30, activation="softmax", ignore_index=-100, leave_out_nonfinite=False)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_easy_examples_keep_their_digits(activation):
    """The crowd's losses, 1e-8 each, are right to five digits."""
    logits = torch.full((50, 3), -18.0, device=DEVICE)
    logits[:, 1] = 0.0 if activation == "softmax" else -17.0
    targets = torch.full((50,), 1 if activation == "softmax" else -1, device=DEVICE)
    table = torch.ones(4, device=DEVICE)
    options = (activation, -100, False)
    single = kernels.classification_loss_and_gradient(logits, targets, None, table, *options)
    double = kernels.classification_loss_and_gradient(logits.double(), targets, None, table, *options)
    for found, expected in zip(single, double, strict=True):
        torch.testing.assert_close(found.double(), expected.double(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_ignored_rows_hide_anything(activation):
    logits = torch.tensor([[NAN, 1.0], [INF, -INF], [0.2, 0.1]], device=DEVICE)
    targets = torch.tensor([-100, 7, 1], device=DEVICE)
    options = (activation, -100, False)
    table = torch.ones(4, device=DEVICE)
    loss, sums, gradient = kernels.classification_loss_and_gradient(logits, targets, None, table, *options)
    alone, alone_sums, alone_gradient = kernels.classification_loss_and_gradient(
        logits[2:], targets[2:], None, table, *options
    )
    assert loss == alone
    assert sums.tolist() == alone_sums.tolist()
    assert gradient.tolist() == [[0, 0], [0, 0], *alone_gradient.tolist()]
    assert kernels.classification_histogram(logits, targets, None, 4, *options)[4:].tolist() == [0, 1]


def test_invalid_soft_targets():
    """They are counted; g above 1 lies in the last region, NaN in none."""
    logits = torch.zeros(5, 1, device=DEVICE)
    targets = torch.tensor([[NAN], [-1.0], [1.5], [INF], [1.0]], device=DEVICE)
    for activation in ("sigmoid", "softmax"):
        inputs, options = Examples(logits, targets, None), (activation, -100, False)
        expected = eager.classification_histogram(
            inputs, 4, activation=activation, ignore_index=-100, leave_out_nonfinite=False
        )
        histogram = kernels.classification_histogram(*inputs, 4, *options)
        assert histogram.tolist() == expected.tolist()
        assert histogram[5] == 4


@pytest.mark.parametrize("regions", [1, 2, 7, 10, 30, 64, 3030])
def test_edges(regions):
    """g = k/M is in region k for every k, and g = 1 in the last."""
    target = torch.arange(regions + 1).div(regions)[:, None].to(DEVICE)
    logits = torch.full_like(target, -1e30)  # g is the target itself
    histogram = kernels.classification_histogram(logits, target, None, regions, "sigmoid", -100, False)
    expected = [1.0] * regions
    expected[-1] += 1
    assert histogram[:regions].tolist() == expected
    # p = 1/2 of a logit of 0 is an edge for even M.
    zero = torch.zeros(1, 1, device=DEVICE)
    label = torch.zeros(1, dtype=torch.int64, device=DEVICE)
    histogram = kernels.classification_histogram(zero, label, None, regions, "sigmoid", -100, False)
    assert histogram[:regions].argmax() == min(regions // 2, regions - 1)


def test_weight_2_is_the_example_twice():
    once = examples("sigmoid", 40, 7, torch.float32, "index", "none", 30, seed=5)
    weight = torch.randint(0, 3, (40,), device=DEVICE)
    repeated = Examples(once.logits.repeat_interleave(weight, 0), once.targets.repeat_interleave(weight), None)
    options = ("sigmoid", -100, False)
    for regions in (30, 100):
        weighed = kernels.classification_histogram(*once._replace(weight=weight.float()), regions, *options)
        counted = kernels.classification_histogram(*repeated, regions, *options)
        assert weighed[:regions].tolist() == counted[:regions].tolist()


def test_any_memory_layout():
    """Strided logits and targets, and rows that begin at no 16-byte address."""
    inputs = examples("sigmoid", 61, 7, torch.bfloat16, "soft", "logit", 30, seed=6)
    options = ("sigmoid", -100, False)
    table = torch.rand(30, device=DEVICE)
    strided = [part.t().contiguous().t() for part in inputs]
    assert not strided[0].is_contiguous()
    for expected, found in zip(
        kernels.classification_loss_and_gradient(*inputs, table, *options),
        kernels.classification_loss_and_gradient(*strided, table, *options),
        strict=True,
    ):
        assert torch.equal(expected, found)
    agree_with_eager(
        Examples(*(part[1:] for part in inputs)),
        30,
        activation="sigmoid",
        ignore_index=-100,
        leave_out_nonfinite=False,
    )


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (4, 0)])
def test_no_elements(activation, shape):
    logits = torch.empty(shape, dtype=torch.bfloat16, device=DEVICE)
    targets = torch.empty(shape[:1], dtype=torch.int64, device=DEVICE).fill_(-100)
    options = (activation, -100, False)
    assert kernels.classification_histogram(logits, targets, None, 30, *options).tolist() == [0] * 32
    table = torch.ones(30, device=DEVICE)
    loss, sums, gradient = kernels.classification_loss_and_gradient(logits, targets, None, table, *options)
    assert (loss.item(), loss.dtype, sums.tolist()) == (0, torch.float32, [0, 0, 0])
    assert (gradient.shape, gradient.dtype) == (logits.shape, logits.dtype)


def test_the_same_in_every_run():
    for weight in ("none", "row"):
        inputs = examples("sigmoid", 3000, 3, torch.float32, "index", weight, 30, seed=7)
        options = ("sigmoid", -100, False)
        table = torch.rand(30, device=DEVICE)
        first, second = (
            (
                kernels.classification_histogram(*inputs, 30, *options),
                *kernels.classification_loss_and_gradient(*inputs, table, *options),
            )
            for _ in range(2)
        )
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# --- regression ---


@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize(
    ("shape", "dtype", "weighted", "regions", "mu"),
    [
        ((300, 4), torch.float32, False, 10, 0.02),
        ((1001,), torch.float32, True, 1010, 0.02),
        ((3, 5, 4), torch.float64, True, 10, 1.5),
        ((2500,), torch.float64, False, 1010, 0.02),
        ((77, 4), torch.bfloat16, False, 1, 0.1),
        ((1,), torch.float32, False, 30, 0.02),
    ],
)
def test_regression(shape, dtype, weighted, regions, mu, leave_out):
    torch.manual_seed(8)
    residual = (0.05 * torch.randn(shape, dtype=torch.float64)).to(dtype)
    residual[near_edge(gradient_norm_asl1(residual.double(), mu), regions)] = 1e-3 * mu
    residual = residual.to(DEVICE)
    weight = torch.rand(shape, dtype=compute_dtype(residual), device=DEVICE) if weighted else None
    histogram = kernels.regression_histogram(residual, weight, regions, mu, leave_out)
    expected = eager.regression_histogram(residual, weight, regions, mu=mu, leave_out_nonfinite=leave_out)
    torch.testing.assert_close(histogram, expected, rtol=1e-6, atol=0)

    table = torch.rand(regions, dtype=torch.float64, device=DEVICE)
    loss, sums, gradient = kernels.regression_loss_and_gradient(residual, weight, table, mu, leave_out)
    leaf = residual.clone().requires_grad_()
    wide = leaf.to(compute_dtype(leaf))
    wanted, wanted_sums = eager.regression_loss(wide, weight, table, mu=mu, leave_out_nonfinite=leave_out)
    wanted.double().sum().backward()
    rtol = 1e-10 if dtype == torch.float64 else 5e-6
    torch.testing.assert_close(loss.double(), wanted.double().sum(), rtol=rtol, atol=1e-12)
    torch.testing.assert_close(sums, wanted_sums.double(), rtol=rtol, atol=1e-12)
    check_gradient(gradient, leaf)


def test_regression_float64_loop():
    residual = [0.0, -0.0, 1e-30, -3e-4, 0.0199, 0.03, -0.4, 5.0, 1e30, -1e30]
    table = torch.rand(10)
    loss, sums, gradient = kernels.regression_loss_and_gradient(
        torch.tensor(residual, device=DEVICE), None, table.to(DEVICE), 0.02, False
    )
    parts = [harmonizing.asl1(value, 0.02) for value in residual]
    betas = [table[harmonizing.region(norm, 10)].item() for _, _, norm in parts]
    assert loss.item() == pytest.approx(sum(beta * part[0] for beta, part in zip(betas, parts, strict=True)), rel=2e-6)
    assert sums[0].item() == pytest.approx(sum(part[0] for part in parts), rel=2e-6)
    assert gradient.tolist() == pytest.approx(
        [beta * part[1] for beta, part in zip(betas, parts, strict=True)], rel=2e-6, abs=1e-30
    )


@pytest.mark.parametrize("leave_out", [False, True])
def test_nonfinite_residuals(leave_out):
    """An infinite residual is as hard as can be: its loss is infinite, its derivative the sign."""
    table = torch.ones(10, device=DEVICE)
    for value in (NAN, INF, -INF):
        residual = torch.tensor([0.01, value], device=DEVICE)
        histogram = kernels.regression_histogram(residual, None, 10, 0.02, leave_out)
        in_last = value == value and not leave_out
        assert histogram[9:].tolist() == [float(in_last), 1, 0]
        loss, _, gradient = kernels.regression_loss_and_gradient(residual, None, table, 0.02, leave_out)
        alone, _, alone_gradient = kernels.regression_loss_and_gradient(residual[:1], None, table, 0.02, leave_out)
        expected_loss, expected_gradient = (alone.item(), 0.0) if leave_out else (abs(value), value / abs(value))
        if value == value and not leave_out:
            expected_gradient = 1.0 if value > 0 else -1.0
        torch.testing.assert_close(loss.item(), expected_loss, equal_nan=True)
        torch.testing.assert_close(gradient.tolist(), [alone_gradient.item(), expected_gradient], equal_nan=True)


def test_no_residuals():
    residual = torch.empty(0, 4, device=DEVICE)
    assert kernels.regression_histogram(residual, None, 10, 0.02, False).tolist() == [0] * 12
    table = torch.ones(10, device=DEVICE)
    loss, sums, gradient = kernels.regression_loss_and_gradient(residual, None, table, 0.02, False)
    assert (loss.item(), sums.tolist(), gradient.shape) == (0, [0, 0, 0], residual.shape)


# --- arguments that don't fit ---


def test_errors():
    logits, targets = torch.zeros(4, 3, device=DEVICE), torch.zeros(4, dtype=torch.int64, device=DEVICE)
    table = torch.ones(10, device=DEVICE)
    options = ("sigmoid", -100, False)
    loss, histogram = kernels.classification_loss_and_gradient, kernels.classification_histogram
    for wrong in (table[:0], table[:, None], table[0]):
        with pytest.raises(ValueError, match="`table`"):
            loss(logits, targets, None, wrong, *options)
        with pytest.raises(ValueError, match="`table`"):
            kernels.regression_loss_and_gradient(logits, None, wrong, 0.02, False)
    with pytest.raises(ValueError, match="`regions`"):
        histogram(logits, targets, None, 0, *options)
    with pytest.raises(ValueError, match="`regions`"):
        kernels.regression_histogram(logits, None, 0, 0.02, False)
    with pytest.raises(ValueError, match="`targets`"):
        histogram(logits, targets[:3], None, 10, *options)
    with pytest.raises(ValueError, match="`targets`"):
        histogram(logits, logits[:, :2], None, 10, *options)
    with pytest.raises(ValueError, match="`weight`"):
        histogram(logits, targets, logits[:, 0][:3], 10, *options)
    with pytest.raises(ValueError, match="`weight`"):
        histogram(logits, targets, logits, 10, "softmax", -100, False)
    with pytest.raises(ValueError, match="`weight`"):
        kernels.regression_histogram(logits, logits[0], 10, 0.02, False)
    with pytest.raises(ValueError, match="`logits`"):
        histogram(logits[0], targets, None, 10, *options)
    with pytest.raises(ValueError, match="`activation`"):
        histogram(logits, targets, None, 10, "tanh", -100, False)


# --- index arithmetic past 2^31 elements ---


@triton.jit
def span_kernel(found, tile, elements, CLASSES: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr):
    start, left = tile_span(tile, elements, BLOCK)
    first_row, skipped, row = rows_of_tile(start, CLASSES, GROUP, BLOCK)
    tl.store(found, start)
    tl.store(found + 1, left)
    tl.store(found + 2, first_row)
    tl.store(found + 3, skipped)
    tl.store(found + 4 + tl.arange(0, BLOCK // GROUP), row)


@pytest.mark.parametrize("classes", [1, 3, 80, 91, 5000])
@pytest.mark.parametrize("elements", [2**31 - 77, 2**31 + 4096, 2**35 + 13])
def test_index_arithmetic(classes, elements):
    """The last tile of inputs that are too large to test with."""
    block, group = 2048, 16 if classes % 16 == 0 else 1
    elements -= elements % classes
    tile = triton.cdiv(elements, block) - 1
    found = torch.empty(4 + block // group, dtype=torch.int64, device=DEVICE)
    span_kernel[(1,)](found, tile, elements, CLASSES=classes, GROUP=group, BLOCK=block)
    start, left, first_row, skipped, *rows = found.tolist()
    assert start == tile * block
    assert left == elements - start
    assert [first_row, skipped] == [start // classes, start % classes]
    assert [first_row + row for row in rows] == [(start + offset) // classes for offset in range(0, block, group)]


if not INTERPRETED:

    def test_past_2_31_elements():
        """2^31 + 4096 logits, of which only the last rows are examples."""
        rows, classes = 2**27 + 256, 16
        logits = torch.zeros(rows, classes, dtype=torch.bfloat16, device=DEVICE)
        targets = torch.full((rows,), -100, device=DEVICE)
        logits[-300:] = torch.randn(300, classes, device=DEVICE)
        targets[-300:] = torch.randint(-1, classes, (300,), device=DEVICE)
        table = torch.rand(30, device=DEVICE)
        for activation in ("sigmoid", "softmax"):
            targets[-300:].clamp_(min=0 if activation == "softmax" else -1)
            options = (activation, -100, False)
            tail = (logits[-300:], targets[-300:], None)
            whole = kernels.classification_histogram(logits, targets, None, 30, *options)
            assert torch.equal(whole, kernels.classification_histogram(*tail, 30, *options))
            loss, _, gradient = kernels.classification_loss_and_gradient(logits, targets, None, table, *options)
            loss_tail, _, gradient_tail = kernels.classification_loss_and_gradient(*tail, table, *options)
            torch.testing.assert_close(loss, loss_tail)
            assert torch.equal(gradient[-300:], gradient_tail)
            assert not gradient[:-300].any()

    def test_counts_past_2_24():
        logits = torch.full((3, 10_000_019), -5.0, device=DEVICE)
        targets = torch.full((3,), -1, device=DEVICE)
        histogram = kernels.classification_histogram(logits, targets, None, 30, "sigmoid", -100, False)
        assert histogram.tolist() == [30_000_057.0] + [0.0] * 31

    @pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
    def test_no_synchronisation_and_graph_capture(activation):
        inputs = examples(activation, 500, 80, torch.float32, "index", "row", 30, seed=9)
        table = torch.rand(30, dtype=torch.float64, device=DEVICE)
        options = (activation, -100, False)

        def both_passes():
            histogram = kernels.classification_histogram(*inputs, 30, *options)
            return histogram, *kernels.classification_loss_and_gradient(*inputs, table, *options)

        expected = both_passes()
        torch.cuda.set_sync_debug_mode("error")
        try:
            both_passes()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = both_passes()
        graph.replay()
        torch.cuda.synchronize()
        assert all(torch.equal(a, b) for a, b in zip(captured, expected, strict=True))

    def test_peak_memory_is_the_gradient():
        logits = torch.randn(400_000, 80, device=DEVICE)
        targets = torch.full((400_000,), -1, device=DEVICE)
        table = torch.rand(30, device=DEVICE)
        options = ("sigmoid", -100, False)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        kernels.classification_histogram(logits, targets, None, 30, *options)
        result = kernels.classification_loss_and_gradient(logits, targets, None, table, *options)
        assert torch.cuda.max_memory_allocated() - before < 1.02 * logits.nbytes
        assert result[2].nbytes == logits.nbytes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_alignment(activation, dtype):
    """Expect equal bits wherever the inputs lie in memory: a pointer that 16 divides is compiled for apart."""
    inputs = examples(activation, 60, 7, dtype, "index", "row", 30, seed=1)
    table = torch.rand(30, dtype=torch.float64, device=DEVICE)

    def results(first: int) -> list[torch.Tensor]:
        placed = []
        for tensor in inputs:
            memory = tensor.new_zeros(tensor.numel() + 16)
            placed.append(memory[first : first + tensor.numel()].view(tensor.shape).copy_(tensor))
        options = (activation, -100, False)
        histogram = kernels.classification_histogram(*placed, 30, *options)
        return [histogram, *kernels.classification_loss_and_gradient(*placed, table, *options)]

    expected = results(0)
    for first in (1, 3, 7):
        for got, want in zip(results(first), expected, strict=True):
            assert torch.equal(got, want)
