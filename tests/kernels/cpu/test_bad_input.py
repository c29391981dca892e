"""Mistaken input of the CPU kernels never becomes an index, and each mistake has its documented outcome."""

from __future__ import annotations

import ctypes
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.batches import (
    INF,
    NAN,
    check_histogram,
    check_loss,
    examples_of,
    move_off_edges,
    random_examples,
)
from tests.oracles import passes as oracle

from torchghm.functional.examples import Examples
from torchghm.kernels import ops
from torchghm.kernels.cpu import entry_points, kernel
from torchghm.kernels.cpu import passes as cpu
from torchghm.kernels.cpu.simd.loads_and_stores import FLOAT32

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    activation=st.sampled_from(["sigmoid", "softmax"]),
    dtype=st.sampled_from(DTYPES),
    weight=st.sampled_from(["none", "row"]),
    regions=st.sampled_from([1, 30, 303]),
    leave_out=st.booleans(),
)
def test_nonfinite_and_huge_logits(seed, activation, dtype, weight, regions, leave_out):
    inputs = random_examples(
        seed, activation=activation, rows=40, classes=7, dtype=dtype, soft=False, weight=weight, nonfinite=0.05
    )
    move_off_edges(inputs, activation, regions)
    batch, invalid = examples_of(inputs, activation)
    table = torch.linspace(0.5, 2, regions, dtype=torch.float64)
    histogram = cpu.classification_histogram(*inputs, regions, activation, -100, leave_out)
    expected = oracle.histogram(batch, invalid, regions, leave_out_nonfinite=leave_out)
    check_histogram(histogram, expected, dtype)
    loss, sums, gradient = cpu.classification_loss_and_gradient(*inputs, table, activation, -100, leave_out)
    expected = oracle.loss_and_gradient(batch, table.tolist(), inputs.logits.numel(), leave_out_nonfinite=leave_out)
    if leave_out:
        check_loss(loss, sums, gradient, expected, dtype)
    else:
        assert math.isfinite(loss) == (math.isfinite(expected.loss) and abs(expected.loss) < 1e38)
        assert sums[1:].isfinite().all()  # of what has a gradient norm


@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_background_alone_is_read_where_it_lies_and_never_written(dtype, leave_out):
    """Whole tiles without any label, a non-finite logit in some of them."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(160, 32, generator=generator, dtype=torch.float64).sub(2).to(dtype)
    logits[40, 3], logits[41, 0], logits[159, 31] = NAN, INF, -INF
    targets = torch.full((160,), -1)
    targets[100] = 5
    before = logits.clone()
    inputs = Examples(logits, targets, None)
    batch, invalid = examples_of(inputs, "sigmoid")
    table = torch.linspace(0.5, 2, 30, dtype=torch.float64)
    histogram = cpu.classification_histogram(*inputs, 30, "sigmoid", -100, leave_out)
    check_histogram(histogram, oracle.histogram(batch, invalid, 30, leave_out_nonfinite=leave_out), dtype)
    results = cpu.classification_loss_and_gradient(*inputs, table, "sigmoid", -100, leave_out)
    expected = oracle.loss_and_gradient(batch, table.tolist(), logits.numel(), leave_out_nonfinite=leave_out)
    check_loss(*results, expected, dtype)
    torch.testing.assert_close(logits, before, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nonfinite_left_out_equals_ignored(soft, dtype):
    """Leaving out a softmax row, or every logit of a sigmoid row, is what a weight of 0 does."""
    for activation in ("sigmoid", "softmax"):
        logits, targets, _ = random_examples(
            3, activation=activation, rows=30, classes=5, dtype=dtype, soft=soft, weight="none"
        )
        weight = torch.ones(30, dtype=torch.promote_types(dtype, torch.float32))
        weight[::4] = 0
        options = (torch.linspace(1, 2, 30, dtype=torch.float64), activation, -100)
        expected = cpu.classification_loss_and_gradient(logits, targets, weight, *options, False)
        for value in (NAN, INF, -INF):
            spoilt = logits.clone()
            spoilt[::4] = value
            got = cpu.classification_loss_and_gradient(spoilt, targets, None, *options, True)
            for one, other in zip(got, expected, strict=True):
                torch.testing.assert_close(one, other)
            counts = cpu.classification_histogram(spoilt, targets, None, 30, activation, -100, True)
            reference = cpu.classification_histogram(logits, targets, weight, 30, activation, -100, True)
            assert torch.equal(counts[:-2], reference[:-2])


def test_soft_targets_out_of_range_are_counted():
    logits = torch.zeros(2, 3)
    targets = torch.tensor([[0.0, 1.0, 1.5], [-0.5, NAN, 0.5]])
    histogram = cpu.classification_histogram(logits, targets, None, 4, "sigmoid", -100, False)
    assert histogram.tolist() == [1, 0, 2, 2, 0, 3]  # NaN is in no region
    assert cpu.classification_histogram(logits, targets, None, 4, "softmax", -100, False)[-1] == 3


def test_regression_of_nonfinite_residuals():
    residual = torch.tensor([NAN, INF, -INF, 1e30, -3e38, 0.0])
    table = torch.ones(10, dtype=torch.float64)
    assert cpu.regression_histogram(residual, None, 10, 0.02, False).tolist() == [1, *[0] * 8, 4, 3, 0]
    assert cpu.regression_histogram(residual, None, 10, 0.02, True).tolist() == [1, *[0] * 8, 2, 3, 0]
    loss, _, gradient = cpu.regression_loss_and_gradient(residual, None, table, 0.02, True)
    assert gradient.tolist() == [0, 0, 0, 1, -1, 0]
    assert float(loss) == pytest.approx(3e38)
    loss, sums, gradient = cpu.regression_loss_and_gradient(residual[1:], None, table, 0.02, False)
    assert float(loss) == INF
    assert float(sums[1]) == 4
    assert gradient.tolist() == [1, -1, 1, -1, 0]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_zero_elements(shape, activation):
    logits = torch.zeros(shape, requires_grad=True)
    examples = Examples(logits, torch.full(shape[:1], -100), None)
    options = {"activation": activation, "ignore_index": -100, "leave_out_nonfinite": False, "backend": "cpu"}
    assert ops.classification_histogram(examples, 30, **options).tolist() == [0.0] * 32
    loss, sums = ops.classification_loss(examples, torch.ones(30), **options)
    loss.backward()
    assert loss.item() == 0
    assert sums.tolist() == [0, 0, 0]
    assert logits.grad.shape == shape
    # The kernels themselves bear it too.
    arguments = (logits, examples.targets, None)
    assert cpu.classification_histogram(*arguments, 30, activation, -100, False).tolist() == [0.0] * 32
    assert cpu.classification_loss_and_gradient(*arguments, torch.ones(30), activation, -100, False)[0] == 0


def test_everything_ignored_is_exactly_zero():
    logits = torch.randn(300, 7)
    targets = torch.full((300,), -100)
    table = torch.full((30,), 1e9, dtype=torch.float64)
    for activation in ("sigmoid", "softmax"):
        assert not cpu.classification_histogram(logits, targets, None, 30, activation, -100, False).any()
        loss, sums, gradient = cpu.classification_loss_and_gradient(
            logits, targets, None, table, activation, -100, False
        )
        assert loss == 0
        assert not sums.any()
        assert not gradient.any()


@pytest.mark.parametrize("table", [torch.ones(()), torch.ones(0), torch.ones(2, 15)])
def test_a_table_of_the_wrong_shape(table):
    options = {"leave_out_nonfinite": False}
    with pytest.raises(ValueError, match="`table`"):
        ops.classification_loss(
            Examples(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), None),
            table,
            activation="sigmoid",
            ignore_index=-100,
            **options,
        )
    with pytest.raises(ValueError, match="`table`"):
        ops.regression_loss(torch.zeros(3), None, table, mu=0.02, **options)


def test_no_regions():
    with pytest.raises(ValueError, match="`regions`"):
        ops.regression_histogram(torch.zeros(3), None, 0, mu=0.02, leave_out_nonfinite=False)


# --- more than 2^31 numbers, of which only the last chunk exists ---

BEFORE = (2**31 // 81920 + 2) * 81920  # numbers before the first that exists: whole rows of 80, and whole chunks


def run_last_chunk(function, sums_width, *, logits, targets, regions, rows_before, chunk_before, chunk, **more):
    """Run a kernel on its last chunk; addresses are shifted as if all before it were there."""
    sums = torch.full((sums_width,), NAN, dtype=torch.float64)
    counter = ctypes.c_int64(chunk_before)
    arguments = kernel.Arguments(
        counter=ctypes.addressof(counter),
        chunks=chunk_before + 1,
        chunk_size=chunk,
        logits=logits.data_ptr() - BEFORE * 4,
        storage=FLOAT32,
        targets=0 if targets is None else targets.data_ptr() - rows_before * 8,
        target_storage=-1,
        ignore_index=-100,
        regions=regions,
        sums=sums.data_ptr() - chunk_before * sums_width * 8,
        width=sums_width,
        mu=0.02,
        **more,
    )
    kernel.compile_kernel(function).call(ctypes.addressof(arguments))
    return sums


@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "residual"])
def test_index_arithmetic_beyond_2_31_numbers(kind):
    torch.manual_seed(0)
    told = kernel.Arguments(target_storage=-1, regions=30, columns=80)
    pass_1, pass_2 = entry_points.passes_for(kind, torch.float32, told)
    logits, targets = torch.randn(50, 80), torch.randint(0, 80, (50,))
    table, gradient = torch.rand(30, dtype=torch.float64), torch.full((50, 80), NAN)
    columns = 1 if kind == "residual" else 80
    unit = 80 if kind == "softmax" else 1  # numbers in an item of a chunk
    chunk = 1024 * 80 // unit
    place = {
        "logits": logits,
        "targets": None if kind == "residual" else targets,
        "regions": 30,
        "rows": (BEFORE + logits.numel()) // columns,
        "columns": columns,
        "rows_before": BEFORE // 80,
        "chunk_before": BEFORE // unit // chunk,
        "chunk": chunk,
    }
    assert BEFORE > 2**31
    assert place["chunk_before"] * chunk * unit == BEFORE
    histogram = run_last_chunk(pass_1, 32, **place)
    sums = run_last_chunk(pass_2, 4, **place, table=table.data_ptr(), gradient=gradient.data_ptr() - BEFORE * 4)
    if kind == "residual":
        expected = cpu.regression_histogram(logits, None, 30, 0.02, False)
        loss, others, expected_gradient = cpu.regression_loss_and_gradient(logits, None, table, 0.02, False)
    else:
        expected = cpu.classification_histogram(logits, targets, None, 30, kind, -100, False)
        loss, others, expected_gradient = cpu.classification_loss_and_gradient(
            logits, targets, None, table, kind, -100, False
        )
    assert torch.equal(histogram, expected)
    assert torch.equal(gradient, expected_gradient)
    assert float(sums[3]) == pytest.approx(float(loss))
    assert torch.equal(sums[:3], others)


@pytest.mark.parametrize("payload", [0x7FC00001, 0xFFC00001, 0x7FC001FF, 0x7FFFFFFF])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_nan_with_any_bits_is_nan(activation, payload):
    logits = torch.zeros(2, 3)
    logits.view(torch.int32)[0, 1] = payload - 2**32 if payload >= 2**31 else payload
    targets = torch.tensor([0, 2])
    loss, _, gradient = cpu.classification_loss_and_gradient(
        logits, targets, None, torch.ones(4), activation, -100, False
    )
    assert loss.isnan()
    assert gradient[0, 1].isnan()
    assert gradient[1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("regions", [10, 30, 41, 49, 97, 1000])
def test_edges_belong_to_the_region_above(dtype, regions):
    edges = torch.arange(1, regions, dtype=torch.float64) / regions
    logits = torch.full((regions - 1, 1), -1e30, dtype=dtype)  # g = |0 - target|
    histogram = cpu.classification_histogram(logits, edges[:, None].to(dtype), None, regions, "sigmoid", -100, False)
    assert histogram[:regions].tolist() == [0] + [1] * (regions - 1)


def test_softmax_without_classes():
    logits, targets = torch.empty(3, 0), torch.empty(3, 0)
    assert cpu.classification_histogram(logits, targets, None, 5, "softmax", -100, False).tolist() == [0] * 7
    loss, sums, gradient = cpu.classification_loss_and_gradient(
        logits, targets, None, torch.ones(5), "softmax", -100, False
    )
    assert (loss.item(), sums.tolist(), gradient.shape) == (0, [0, 0, 0], (3, 0))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"targets": torch.zeros(3, dtype=torch.int64)}, "`targets`"),
        ({"targets": torch.zeros(4, 4)}, "`targets`"),
        ({"targets": torch.zeros(4, 3, dtype=torch.float8_e5m2)}, "`targets`.*float8"),
        ({"targets": torch.zeros(4, dtype=torch.int64, device="meta")}, "`targets`.*device"),
        ({"weight": torch.ones(3)}, "`weight`"),
        ({"weight": torch.ones(4, device="meta")}, "`weight`.*device"),
        ({"table": torch.ones(0)}, "`table`"),
        ({"table": torch.ones(2, 2)}, "`table`"),
    ],
)
def test_the_kernel_itself_refuses_what_it_would_read_beyond(change, says):
    inputs = {
        "logits": torch.zeros(4, 3),
        "targets": torch.zeros(4, dtype=torch.int64),
        "weight": None,
        "table": torch.ones(5),
        **change,
    }
    with pytest.raises((ValueError, TypeError), match=says):
        cpu.classification_loss_and_gradient(*inputs.values(), "sigmoid", -100, False)


@pytest.mark.parametrize(
    ("weight", "table", "says"),
    [(torch.ones(3), torch.ones(5), "`weight`"), (None, torch.ones(0), "`table`")],
)
def test_so_does_that_of_residuals(weight, table, says):
    with pytest.raises(ValueError, match=says):
        cpu.regression_loss_and_gradient(torch.zeros(4), weight, table, 0.02, False)
