"""The polynomials, the look-ups and the conversions that the CPU kernels are built of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torchghm.kernels.cpu_arithmetic import exp_nonpositive, log1p_unit, region, sigmoid
from torchghm.kernels.cpu_call import ARGUMENTS, Arguments
from torchghm.kernels.cpu_edges import load_edges, regions_by_edges
from torchghm.kernels.cpu_harmonize import load_table, look_up
from torchghm.kernels.cpu_histogram import add_counts, collect_counts, count_table
from torchghm.kernels.cpu_intrinsics import elementwise, vectorize
from torchghm.kernels.cpu_registers import LANES
from torchghm.kernels.cpu_softmax import maximum
from torchghm.kernels.cpu_storage import BFLOAT16, FLOAT16, FLOAT32, TILE, load, store


@elementwise
def exp_of(source, destination):
    vectorize()
    for j in range(source.size):
        destination[j] = exp_nonpositive(source[j])


@elementwise
def log1p_of(source, destination):
    vectorize()
    for j in range(source.size):
        destination[j] = log1p_unit(source[j])


@elementwise
def sigmoid_of(source, destination):
    vectorize()
    for j in range(source.size):
        destination[j] = sigmoid(np.float32, source[j], exp_nonpositive(-abs(source[j])))


@elementwise
def region_of(source, destination, regions, last):
    vectorize()
    for j in range(source.size):
        destination[j] = region(source[j], regions, np.float32(0), last)


@elementwise
def maximum_of(source):
    return maximum(source)


def relative_error(function, exact, numbers):
    result = np.empty_like(numbers)
    function(numbers, result)
    return np.abs(result / exact(numbers.astype(np.float64)) - 1).max()


def test_exp():
    assert relative_error(exp_of, np.exp, np.linspace(-64, 0, 1_000_001, dtype=np.float32)) < 4e-7
    special = np.array([0, -64.5, -1e30, -np.inf, np.nan, -0.0], np.float32)
    result = np.empty_like(special)
    exp_of(special, result)
    np.testing.assert_array_equal(result, np.array([1, 0, 0, 0, np.nan, 1], np.float32))


def test_log1p():
    assert relative_error(log1p_of, np.log1p, np.linspace(1e-6, 1, 1_000_001, dtype=np.float32)) < 3e-7
    special = np.array([0, 1e-30, 1, np.nan], np.float32)
    result = np.empty_like(special)
    log1p_of(special, result)
    np.testing.assert_allclose(result, np.array([0, 1e-30, np.log(2), np.nan]), rtol=1e-6)


def test_sigmoid():
    numbers = np.linspace(-60, 60, 1_000_001, dtype=np.float32)
    assert relative_error(sigmoid_of, lambda x: 1 / (1 + np.exp(-x)), numbers) < 5e-7
    special = np.array([0, np.inf, -np.inf, np.nan, 1e30, -1e30], np.float32)
    result = np.empty_like(special)
    sigmoid_of(special, result)
    np.testing.assert_array_equal(result, np.array([0.5, 1, 0, np.nan, 1, 0], np.float32))


@pytest.mark.parametrize("regions", [1, 30, 3030])
def test_region_is_never_outside_the_table(regions):
    norms = np.array([0, 1, 1.0000001, 2, 1e30, np.inf, np.nan, 0.999999], np.float32)
    index = np.empty(norms.size, np.int32)
    region_of(norms, index, np.float32(regions), np.float32(regions - 1))
    assert index[0] == 0
    assert (index[1:] == regions - 1).all()


@pytest.mark.skipif(LANES == 0, reason="this processor has no permutation of vectors, and edges are not used")
@pytest.mark.parametrize("regions", [1, 2, 3, 7, 10, 29, 30, 31])
def test_regions_by_edges(regions):
    g = np.arange(1, regions) / regions
    on_edges = np.log(g / (1 - g)).astype(np.float32)
    logits = np.concatenate([np.linspace(-20, 20, 99_991, dtype=np.float32), on_edges - 1e-4, on_edges + 1e-4])
    position = regions / (1 + np.exp(-logits.astype(np.float64)))
    doubtful = np.abs(position - np.round(position)) < 1e-6 * regions
    logits, expected = logits[~doubtful], np.floor(position[~doubtful])
    assert doubtful.mean() < 0.5
    special = np.array([-np.inf, -1e30, -89, -0.0, 0, 89, 1e30, np.inf, np.nan], np.float32)
    # What is on an edge belongs to the region above, and what is no number to the last.
    last = regions - 1
    all_logits = np.concatenate([logits, on_edges, special])
    middle = regions // 2
    all_expected = [*expected, *range(1, regions), 0, 0, 0, middle, middle, last, last, last, last]
    arguments = Arguments(regions=regions, target_storage=-1)
    edges = load_edges(np.frombuffer(arguments, ARGUMENTS)[0], np.float32)
    found = np.empty(-(-all_logits.size // TILE) * TILE, np.int32)
    padded = np.resize(all_logits, found.size)
    for start in range(0, found.size, TILE):
        trace = regions_by_edges(np.float32, padded[start : start + TILE], edges, regions, found[start : start + TILE])
        assert (trace == 0) == np.isfinite(padded[start : start + TILE]).all()
    np.testing.assert_array_equal(found[: all_logits.size], all_expected)


@pytest.mark.parametrize("regions", [1, 2, 30, 32, 33, 3030])
def test_counts(regions):
    index = np.random.default_rng(regions).integers(0, regions, 10 * TILE).astype(np.int32)
    index[: 3 * TILE] = regions - 1
    counts, histogram = count_table(regions), np.ones(regions)
    for start in range(0, index.size, TILE):
        add_counts(index[start : start + TILE], regions, counts)
    collect_counts(counts, regions, histogram)
    np.testing.assert_array_equal(histogram, 1 + np.bincount(index, minlength=regions))
    assert not counts.any()


@pytest.mark.parametrize("entries", [1, 30, 32, 33, 3030])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_look_up(entries, real):
    random = np.random.default_rng(0)
    source = random.random(entries)
    table = load_table(source.ctypes.data, entries, real)
    index = random.integers(0, entries, TILE).astype(np.int32)
    found = np.empty(TILE, real)
    look_up(table, index, found)
    np.testing.assert_array_equal(found, source.astype(real)[index])


@pytest.mark.parametrize("numbers", [[3, 1, 2], [-3, -1, -2], [-0.5, -np.inf], [np.inf, 0], [-1e-40, -1e-38], [7]])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_maximum(numbers, real):
    array = np.array(numbers, real)
    assert maximum_of(array) == array.max()


@pytest.mark.parametrize(("storage", "dtype"), [(FLOAT16, torch.float16), (BFLOAT16, torch.bfloat16)])
def test_low_precision_to_float32_for_every_number_there_is(storage, dtype):
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(dtype)
    tile = np.empty(2**16, np.float32)
    load(storage, every.data_ptr(), 0, 2**16, tile)
    torch.testing.assert_close(torch.from_numpy(tile), every.float(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("storage", "dtype"), [(FLOAT16, torch.float16), (BFLOAT16, torch.bfloat16)])
def test_float32_to_low_precision_rounds_to_nearest_even(storage, dtype):
    generator = torch.Generator().manual_seed(0)
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(dtype).float()
    ties = (every[:-1].double() + every[1:].double()).div(2).float()  # half-way between neighbours
    random = torch.randint(-(2**31), 2**31 - 1, (200_000,), generator=generator).to(torch.int32).view(torch.float32)
    small = torch.randn(100_000, generator=generator) * 1e-7
    for numbers in (every, ties, random, small, torch.tensor([65519.0, 65520.0, -1e30, float("inf"), float("nan")])):
        result = torch.empty(numbers.shape, dtype=dtype)
        store(storage, result.data_ptr(), 0, numbers.numel(), numbers.numpy())
        torch.testing.assert_close(result, numbers.to(dtype), rtol=0, atol=0, equal_nan=True)


def test_loading_begins_at_any_number():
    numbers = torch.arange(100.0)
    tile = np.empty(10, np.float32)
    load(FLOAT32, numbers.data_ptr(), 37, 10, tile)
    assert tile.tolist() == list(range(37, 47))
