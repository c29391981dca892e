"""The polynomials, the look-ups and the conversions that the CPU kernels are built of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torchghm.kernels.cpu.example_tiles import Run
from torchghm.kernels.cpu.histogram_pass import count, find_regions
from torchghm.kernels.cpu.launch import ARGUMENTS, Arguments
from torchghm.kernels.cpu.loss_pass import load_table
from torchghm.kernels.cpu.region_counts import COUNTS_BYTES, MOST, collect_counts, make_counts
from torchghm.kernels.cpu.simd.arithmetic import exp_nonpositive, log1p_unit, region, regions_of, sigmoid
from torchghm.kernels.cpu.simd.compiling import elementwise
from torchghm.kernels.cpu.simd.delayed_tables import DELAY_LINE_BYTES, delay_line_in, look_up_in_memory
from torchghm.kernels.cpu.simd.loads_and_stores import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    TILE,
    load,
    load_numbers,
    store,
    store_numbers,
)
from torchghm.kernels.cpu.simd.region_edges import load_edges, region_by_edges
from torchghm.kernels.cpu.simd.register_tables import TWO_REGISTERS, look_up_in_registers
from torchghm.kernels.cpu.simd.vectors import as_int32, lanes
from torchghm.kernels.cpu.softmax import maximum


@elementwise
def exp_of_one(number):
    return exp_nonpositive(number)


@elementwise
def exp_of(source, destination):
    for j in range(0, source.size, lanes(np.float32)):
        store_numbers(destination, j, exp_nonpositive(load_numbers(source, j)))


@elementwise
def log1p_of(source, destination):
    for j in range(0, source.size, lanes(np.float32)):
        store_numbers(destination, j, log1p_unit(load_numbers(source, j)))


@elementwise
def sigmoid_of(source, destination):
    for j in range(0, source.size, lanes(np.float32)):
        x = load_numbers(source, j)
        store_numbers(destination, j, sigmoid(np.float32, x, exp_nonpositive(-abs(x))))


@elementwise
def region_of(source, destination, regions):
    for j in range(0, source.size, lanes(np.float32)):
        store_numbers(destination, j, region(load_numbers(source, j), regions))


@elementwise
def region_by_edges_of(source, destination, regions):
    for j in range(0, source.size, lanes(np.float32)):
        store_numbers(destination, j, region_by_edges(np.float32, load_numbers(source, j), regions))


@elementwise
def maximum_of(source):
    return maximum(source)


def in_vectors(function, numbers, *options, dtype=np.float32):
    """Apply a function of whole vectors to as many numbers as there are."""
    padded = np.resize(numbers, -(-numbers.size // 16) * 16)
    result = np.empty(padded.size, dtype)
    function(padded, result, *options)
    return result[: numbers.size]


def relative_error(function, exact, numbers):
    return np.abs(in_vectors(function, numbers) / exact(numbers.astype(np.float64)) - 1).max()


def test_exp():
    assert relative_error(exp_of, np.exp, np.linspace(-64, 0, 1_000_001, dtype=np.float32)) < 4e-7
    special = np.array([0, -64.5, -1e30, -np.inf, np.nan, -0.0], np.float32)
    np.testing.assert_array_equal(in_vectors(exp_of, special), np.array([1, 0, 0, 0, np.nan, 1], np.float32))
    one_by_one = [exp_of_one(number) for number in special]
    np.testing.assert_array_equal(one_by_one, np.array([1, 0, 0, 0, np.nan, 1], np.float32))


def test_log1p():
    assert relative_error(log1p_of, np.log1p, np.linspace(1e-6, 1, 1_000_001, dtype=np.float32)) < 3e-7
    special = np.array([0, 1e-30, 1, np.nan], np.float32)
    expected = np.array([0, 1e-30, np.log(2), np.nan])
    np.testing.assert_allclose(in_vectors(log1p_of, special), expected, rtol=1e-6)


def test_sigmoid():
    numbers = np.linspace(-60, 60, 1_000_001, dtype=np.float32)
    assert relative_error(sigmoid_of, lambda x: 1 / (1 + np.exp(-x)), numbers) < 5e-7
    special = np.array([0, np.inf, -np.inf, np.nan, 1e30, -1e30], np.float32)
    expected = np.array([0.5, 1, 0, np.nan, 1, 0], np.float32)
    np.testing.assert_array_equal(in_vectors(sigmoid_of, special), expected)


@pytest.mark.parametrize("regions", [1, 30, 3030])
def test_region_is_never_outside_the_table(regions):
    norms = np.array([0, 1, 1.0000001, 2, 1e30, np.inf, np.nan, 0.999999], np.float32)
    index = in_vectors(region_of, norms, regions_of(regions, None, np.float32), dtype=np.int32)
    assert index[0] == 0
    assert (index[1:] == regions - 1).all()


def edges_of(regions):
    arguments = Arguments(regions=regions, target_storage=-1)
    return load_edges(np.frombuffer(arguments, ARGUMENTS)[0], np.float32)


@pytest.mark.skipif(not TWO_REGISTERS, reason="without AVX-512 regions are found by g")
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
    told = regions_of(regions, edges_of(regions), np.float32)
    found = in_vectors(region_by_edges_of, all_logits, told, dtype=np.int32)
    np.testing.assert_array_equal(found, all_expected)


def count_run(run, regions, infinite=False, edges=None):
    """A run's histogram, and how many of its numbers are not finite."""
    real = run.dtype.type
    memory, for_line = np.empty(COUNTS_BYTES, np.uint8), np.empty(DELAY_LINE_BYTES, np.uint8)
    line, index = delay_line_in(for_line.ctypes.data, regions, real), np.empty(TILE, np.int32)
    counts, histogram = make_counts(memory.ctypes.data, regions, False, index, line.index), np.ones(regions)
    nonfinite = count(real, Run(run, None, None), regions_of(regions, edges, real), counts, infinite, histogram)
    collect_counts(counts, regions, histogram)
    assert not counts.planes.any()
    assert not counts.tables.any()
    return histogram, nonfinite


@pytest.mark.parametrize("regions", [1, 2, 30, 32, 33, 600, 3030])
@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("tiles", [1, 2, 5])
def test_counting_a_run_is_finding_and_counting_the_regions_of_its_tiles(regions, real, tiles):
    logits = np.random.default_rng(regions).normal(0, 3, tiles * TILE).astype(real)
    logits[: TILE // 2] = 100.0
    edges = edges_of(regions) if real is np.float32 and edges_of(regions).size else None
    histogram, nonfinite = count_run(logits, regions, edges=edges)
    expected, index = np.ones(regions), np.empty(TILE, np.int32)
    for start in range(0, logits.size, TILE):
        tile = logits[start : start + TILE]
        assert find_regions(real, Run(tile, None, None), regions_of(regions, edges, real), index) == 0
        expected += np.bincount(index, minlength=regions)
    np.testing.assert_array_equal(histogram, expected)
    assert nonfinite == 0


@pytest.mark.parametrize("place", [0, 15, 16, TILE - 1, TILE, 3 * TILE - 1])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("regions", "by_edges"), [(30, False), (30, TWO_REGISTERS), (3030, False)])
@pytest.mark.parametrize("infinite", [False, True])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_what_is_not_finite_is_not_counted(place, number, regions, by_edges, infinite, real):
    logits = np.zeros(3 * TILE, real)
    logits[place] = number
    edges = edges_of(regions) if by_edges and real is np.float32 else None
    histogram, nonfinite = count_run(logits, regions, infinite, edges)
    assert nonfinite == 1
    expected = np.ones(regions)
    expected[regions // 2] += 3 * TILE - 1
    if not np.isnan(number) and not infinite:
        expected[-1 if number > 0 else 0] += 1
    np.testing.assert_array_equal(histogram, expected)


def test_tables_are_collected_before_they_overflow():
    logits = np.zeros(2 * MOST + 3 * TILE, np.float32)
    histogram, _ = count_run(logits, 33)
    assert histogram[16] == 1 + logits.size
    assert histogram.sum() == 33 + logits.size


@elementwise
def look_up_of_numbers(places, found, table):
    for j in range(0, places.size, lanes(np.float32)):
        store_numbers(found, j, look_up_in_registers(table, as_int32(load_numbers(places, j))))


@elementwise
def look_up_all_in_memory(real, table, index, found):
    for j in range(0, index.size, lanes(real)):
        look_up_in_memory(table, index, found, j)


@pytest.mark.parametrize("entries", [1, 30, 32])
def test_look_up_in_registers(entries):
    random = np.random.default_rng(0)
    source = random.random(entries)
    table = load_table(source.ctypes.data, entries, np.zeros(1, np.float32), np.float32)
    index = random.integers(0, entries, TILE)
    found = in_vectors(look_up_of_numbers, index.astype(np.float32), table)
    np.testing.assert_array_equal(found, source.astype(np.float32)[index])


@pytest.mark.parametrize("entries", [1, 30, 32, 33, 3030])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_look_up_in_memory(entries, real):
    random = np.random.default_rng(0)
    source = random.random(entries)
    table = load_table(source.ctypes.data, entries, np.empty(0, real), real)
    assert table.ctypes.data % 4096 == 0
    index = random.integers(0, entries, TILE).astype(np.int32)
    found = np.empty(TILE, real)
    look_up_all_in_memory(real, table, index, found)
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
