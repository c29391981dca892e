"""The CPU kernels against the literal passes, in value and gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.kernels.batches import (
    check_histogram,
    check_loss,
    examples_of,
    move_off_edges,
    random_examples,
    random_residuals,
    threads_and_chunks,
)
from tests.oracles import passes as oracle

from torchghm.functional.examples import Examples
from torchghm.kernels.cpu import passes as cpu
from torchghm.kernels.cpu.example_tiles import _tiles_as_they_lie
from torchghm.kernels.cpu.kernel import ARGUMENTS, Arguments
from torchghm.kernels.cpu.region_counts import MOST
from torchghm.kernels.cpu.simd.loads_and_stores import FLOAT32, STREAMED, TILE

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
SEEDS = st.integers(0, 2**31 - 1)
THREADS = st.integers(1, 4)
REGIONS = st.sampled_from([1, 2, 10, 30, 32, 33, 303])
bounded = settings(max_examples=40, deadline=None)


@bounded
@given(
    seed=SEEDS,
    threads=THREADS,
    rows=st.integers(1, 40),
    classes=st.integers(1, 40),
    dtype=st.sampled_from(DTYPES),
    soft=st.booleans(),
    weight=st.sampled_from(["none", "row", "logit"]),
    regions=REGIONS,
    ignore_index=st.sampled_from([-100, -1, 0]),
)
@example(
    seed=0,
    threads=2,
    rows=30,
    classes=80,
    dtype=torch.float32,
    soft=False,
    weight="none",
    regions=30,
    ignore_index=-100,
)
@example(
    seed=1, threads=2, rows=40, classes=80, dtype=torch.float16, soft=True, weight="row", regions=303, ignore_index=-100
)
@example(
    seed=2, threads=2, rows=3, classes=513, dtype=torch.float32, soft=False, weight="row", regions=30, ignore_index=-100
)
@example(
    seed=3, threads=1, rows=2, classes=1200, dtype=torch.bfloat16, soft=False, weight="none", regions=30, ignore_index=0
)
def test_sigmoid(seed, threads, rows, classes, dtype, soft, weight, regions, ignore_index):
    inputs = random_examples(
        seed, activation="sigmoid", rows=rows, classes=classes, dtype=dtype, soft=soft, weight=weight
    )
    move_off_edges(inputs, "sigmoid", regions)
    check_classification(inputs, "sigmoid", regions, ignore_index, threads)


@bounded
@given(
    seed=SEEDS,
    threads=THREADS,
    rows=st.integers(1, 70),
    classes=st.integers(1, 70),
    dtype=st.sampled_from(DTYPES),
    soft=st.booleans(),
    weight=st.sampled_from(["none", "row"]),
    regions=REGIONS,
)
@example(seed=0, threads=2, rows=3, classes=3000, dtype=torch.float32, soft=False, weight="none", regions=30)
def test_softmax(seed, threads, rows, classes, dtype, soft, weight, regions):
    inputs = random_examples(
        seed, activation="softmax", rows=rows, classes=classes, dtype=dtype, soft=soft, weight=weight
    )
    if classes > 1:
        move_off_edges(inputs, "softmax", regions)
    check_classification(inputs, "softmax", regions, -100, threads)


def check_classification(inputs, activation, regions, ignore_index, threads):
    dtype = inputs.logits.dtype
    batch, invalid = examples_of(inputs, activation, ignore_index)
    options = (activation, ignore_index, False)
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    with threads_and_chunks(threads, chunk=1024):
        histogram = cpu.classification_histogram(*inputs, regions, *options)
        loss, sums, gradient = cpu.classification_loss_and_gradient(*inputs, table, *options)
    check_histogram(histogram, oracle.histogram(batch, invalid, regions, leave_out_nonfinite=False), dtype)
    assert gradient.dtype == dtype
    assert gradient.shape == inputs.logits.shape
    expected = oracle.loss_and_gradient(batch, table.tolist(), inputs.logits.numel(), leave_out_nonfinite=False)
    check_loss(loss, sums, gradient, expected, dtype)


@bounded
@given(
    seed=SEEDS,
    threads=THREADS,
    count=st.integers(1, 3000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    weighed=st.booleans(),
    regions=REGIONS,
    mu=st.sampled_from([0.02, 1.0]),
)
def test_residual(seed, threads, count, dtype, weighed, regions, mu):
    residual, weight, batch = random_residuals(seed, count, dtype, weighed, regions, mu)
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    with threads_and_chunks(threads, chunk=1024):
        histogram = cpu.regression_histogram(residual, weight, regions, mu, False)
        loss, sums, gradient = cpu.regression_loss_and_gradient(residual, weight, table, mu, False)
    check_histogram(histogram, oracle.histogram(batch, 0, regions, leave_out_nonfinite=False), dtype)
    expected = oracle.loss_and_gradient(batch, table.tolist(), count, leave_out_nonfinite=False)
    check_loss(loss, sums, gradient, expected, dtype)


def test_soft_targets_of_more_logits_than_are_counted_at_once():
    torch.manual_seed(0)
    count = MOST + 3 * TILE
    logits, targets = torch.randn(count, 1) * 3, torch.rand(count, 1)
    targets[:MOST] *= 0.01  # so that a part with the targets of another one is counted elsewhere
    with threads_and_chunks(1, chunk=2 * MOST):
        histogram = cpu.classification_histogram(logits, targets, None, 2, "sigmoid", -100, False)
    norm = (logits.double().sigmoid() - targets.double()).abs()
    assert histogram.tolist() == pytest.approx([int((norm < 0.5).sum()), int((norm >= 0.5).sum()), 0, 0], abs=2)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("soft", [False, True])
def test_layouts_of_memory_do_not_matter(activation, soft):
    inputs = random_examples(5, activation=activation, rows=50, classes=9, dtype=torch.float32, soft=soft, weight="row")
    logits, targets, weight = inputs
    transposed = logits.t().contiguous().t()
    strided_targets = torch.stack([targets, targets], -1)[..., 0]
    strided_weight = torch.stack([weight, weight], -1)[..., 1]
    table = torch.rand(30, dtype=torch.float64)
    plain = cpu.classification_loss_and_gradient(logits, targets, weight, table, activation, -100, False)
    strided = cpu.classification_loss_and_gradient(
        transposed, strided_targets, strided_weight, table, activation, -100, False
    )
    for one, other in zip(plain, strided, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("regions", [30, 3030])
def test_the_same_bits_whatever_the_number_of_threads(activation, regions):
    inputs = random_examples(
        7, activation=activation, rows=3000, classes=80, dtype=torch.float32, soft=False, weight="row"
    )
    table = torch.rand(regions, dtype=torch.float64)
    results = []
    for threads in (1, 2, 3, 2, 1):
        with threads_and_chunks(threads, chunk=4096):
            results.append(
                (
                    cpu.classification_histogram(*inputs, regions, activation, -100, False),
                    *cpu.classification_loss_and_gradient(*inputs, table, activation, -100, False),
                )
            )
    for result in results[1:]:
        for one, other in zip(results[0], result, strict=True):
            assert torch.equal(one, other)


def test_weight_two_is_the_example_twice():
    logits = torch.randn(20, 6)
    targets = torch.randint(-1, 6, (20,))
    twice = cpu.classification_histogram(
        torch.cat([logits, logits]), torch.cat([targets, targets]), None, 30, "sigmoid", -100, False
    )
    weighed = cpu.classification_histogram(logits, targets, torch.full((20,), 2.0), 30, "sigmoid", -100, False)
    assert torch.equal(twice, weighed)


@pytest.mark.parametrize("regions", [30, 33])
def test_large_gradients_are_written_past_the_caches(regions):
    rows = STREAMED // 80 + 1
    logits, targets = torch.randn(rows, 80), torch.full((rows,), -1)
    targets[::50] = torch.randint(80, (len(targets[::50]),))
    table = torch.rand(regions, dtype=torch.float64)
    rest = (table, "sigmoid", -100, False)
    _, _, gradient = cpu.classification_loss_and_gradient(logits, targets, None, *rest)
    half = rows // 2
    parts = [
        cpu.classification_loss_and_gradient(logits[part], targets[part], None, *rest)[2]
        for part in (slice(None, half), slice(half, None))
    ]
    assert torch.equal(gradient, torch.cat(parts))


def test_large_gradients_of_residuals_are_written_past_the_caches():
    residual, table = torch.randn(STREAMED + 700), torch.rand(10, dtype=torch.float64)
    half = STREAMED // 2
    gradient = cpu.regression_loss_and_gradient(residual, None, table, 1.0, False)[2]
    parts = [cpu.regression_loss_and_gradient(part, None, table, 1.0, False)[2] for part in residual.split(half)]
    assert torch.equal(gradient, torch.cat(parts))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("regions", [30, 32, 3030])
@pytest.mark.parametrize("every", [3, 13, 80])
@pytest.mark.parametrize("number", [None, math.nan, math.inf])
def test_few_positives_among_many(dtype, regions, every, number):
    """Without weights they are read where they lie, and changed on the way; with weights of 1, put in order first."""
    inputs = random_examples(
        regions, activation="sigmoid", rows=300, classes=80, dtype=dtype, soft=False, weight="none"
    )
    move_off_edges(inputs, "sigmoid", regions)
    inputs.targets[:] = -1
    inputs.targets[5::every] = torch.arange(len(inputs.targets[5::every])) * 7 % 80
    if number is not None:
        inputs.logits[5, 0] = number  # at the first positive, and a negative beside it
        inputs.logits[5, 1] = number
        inputs.logits[270, 79] = number
        inputs.targets[270] = 79
    weighed = inputs._replace(weight=torch.ones(300, dtype=dtype))
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    options = ("sigmoid", -100, False)
    with threads_and_chunks(2, chunk=16384):
        histogram = cpu.classification_histogram(*inputs, regions, *options)
        results = cpu.classification_loss_and_gradient(*inputs, table, *options)
        expected_histogram = cpu.classification_histogram(*weighed, regions, *options)
        expected = cpu.classification_loss_and_gradient(*weighed, table, *options)
    torch.testing.assert_close(histogram, expected_histogram, rtol=0, atol=0)
    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result, wanted, rtol=2e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("regions", [30, 3030])
def test_positives_that_lie_together(regions):
    """Several in a vector, and at the ends of vectors, tiles and chunks; a row of one class is one logit."""
    logits = torch.randn(4 * 16384, 1)
    targets = torch.full((len(logits),), -1)
    targets[[1000, 1001, 1002, 1007, 1008, 1023, 1024, 2047, 2048, 16383, 16384 + 1600, 4 * 16384 - 1]] = 0
    flipped = torch.where(targets[:, None] == 0, -logits, logits)
    options = ("sigmoid", -100, False)
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    background = torch.full_like(targets, -1)
    with threads_and_chunks(2, chunk=16384):
        histogram = cpu.classification_histogram(logits, targets, None, regions, *options)
        expected = cpu.classification_histogram(flipped, background, None, regions, *options)
        loss, sums, gradient = cpu.classification_loss_and_gradient(logits, targets, None, table, *options)
        wanted = cpu.classification_loss_and_gradient(flipped, background, None, table, *options)
    assert torch.equal(histogram, expected)
    sign = 1.0 - 2.0 * (targets[:, None] == 0)
    torch.testing.assert_close((loss, sums[:2], gradient), (wanted[0], wanted[1][:2], wanted[2] * sign))
    assert float(sums[2]) == pytest.approx(float(-gradient[targets == 0].sum()), rel=1e-6)


@pytest.mark.parametrize("label", [3, 90_000, 99_999])
@pytest.mark.parametrize("regions", [30, 3030])
def test_rows_longer_than_a_chunk(label, regions):
    logits, targets = torch.randn(2, 100_000), torch.tensor([-1, label])
    move_off_edges(Examples(logits, targets, None), "sigmoid", regions)
    options = ("sigmoid", -100, False)
    one_hot = torch.nn.functional.one_hot(targets + 1, 100_001)[:, 1:].float()
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    with threads_and_chunks(2, chunk=16384):
        histogram = cpu.classification_histogram(logits, targets, None, regions, *options)
        expected = cpu.classification_histogram(logits, one_hot, None, regions, *options)
        results = cpu.classification_loss_and_gradient(logits, targets, None, table, *options)
        wanted = cpu.classification_loss_and_gradient(logits, one_hot, None, table, *options)
    assert torch.equal(histogram, expected)
    torch.testing.assert_close(results, wanted)


def test_a_label_beyond_an_int32_is_left_to_its_own_chunk():
    """Told of a row of 2^32 logits, of which the first 65,536 are looked at."""
    targets, flipped = torch.tensor([2**31 + 5]), np.zeros(TILE, np.int32)
    arguments = Arguments(
        storage=FLOAT32, rows=1, columns=2**32, targets=targets.data_ptr(), target_storage=-1, ignore_index=-100
    )
    told = np.frombuffer(arguments, ARGUMENTS)[0]
    for label, expected in ((2**31 + 5, []), (2**32 + 5, []), (65_536, []), (65_535, [65_535]), (3, [3])):
        targets[0] = label
        whole, positives = _tiles_as_they_lie(told, np.float32, 0, 65_536, flipped)
        valid = label < 2**32
        assert whole == (65_536 // TILE if valid else 0)
        assert flipped[:positives].tolist() == expected


def test_both_passes_put_every_example_in_the_same_region():
    """With table = 1 / histogram each occupied region's weights add up to 1, on edges too."""
    logits = torch.cat([torch.logit(torch.arange(1, 3030) / 3030), torch.randn(100_000)])[:, None]
    targets = torch.full((len(logits),), -1)
    for regions in (30, 3030):
        histogram = cpu.classification_histogram(logits, targets, None, regions, "sigmoid", -100, False)[:-2]
        table = torch.where(histogram > 0, 1 / histogram, 1e6)
        _, _, gradient = cpu.classification_loss_and_gradient(logits, targets, None, table, "sigmoid", -100, False)
        entries = gradient / logits.sigmoid()
        assert float(entries.max()) < 1.001
        assert float(entries.double().sum()) == pytest.approx(int((histogram > 0).sum()), rel=1e-5)
