"""Loading and storing tiles: conversions of low precision, and any first number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torchghm.kernels.cpu.simd.loads_and_stores import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    load,
    store,
)


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
