"""The polynomials, the look-ups and the conversions that the CPU kernels are built of."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kernels.cpu.simd.whole_vectors import in_vectors

from torchghm.kernels.cpu.simd.arithmetic import (
    exp_nonpositive,
    log1p_nonnegative,
    log1p_unit,
    region,
    regions_of,
    sigmoid,
)
from torchghm.kernels.cpu.simd.compiling import elementwise
from torchghm.kernels.cpu.simd.loads_and_stores import (
    load_numbers,
    store_numbers,
)
from torchghm.kernels.cpu.simd.vectors import lanes


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
def log1p_nonnegative_of(source, destination):
    for j in range(0, source.size, lanes(np.float32)):
        store_numbers(destination, j, log1p_nonnegative(load_numbers(source, j)))


@elementwise
def log1p_of_one(number):
    return log1p_nonnegative(number)


@elementwise
def sigmoid_of(source, destination):
    for j in range(0, source.size, lanes(np.float32)):
        x = load_numbers(source, j)
        store_numbers(destination, j, sigmoid(np.float32, x, exp_nonpositive(-abs(x))))


@elementwise
def region_of(source, destination, regions):
    for j in range(0, source.size, lanes(np.float32)):
        store_numbers(destination, j, region(load_numbers(source, j), regions))


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


def test_log1p_beyond_one():
    numbers = np.concatenate([np.geomspace(1e-30, 1e30, 1_000_001), np.linspace(0.9, 4.1, 100_001)]).astype(np.float32)
    assert relative_error(log1p_nonnegative_of, np.log1p, numbers) < 4e-7
    special = np.array([0, 1, 3, 7], np.float32)
    np.testing.assert_allclose(in_vectors(log1p_nonnegative_of, special), np.log1p(special), rtol=3e-7)
    np.testing.assert_allclose([log1p_of_one(number) for number in special], np.log1p(special), rtol=3e-7)
    np.testing.assert_allclose([log1p_of_one(number) for number in special.astype(np.float64)], np.log1p(special))


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
