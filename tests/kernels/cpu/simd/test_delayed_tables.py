"""Tables in memory."""

from __future__ import annotations

import numpy as np
import pytest

from torchghm.kernels.cpu.loss_pass import load_table
from torchghm.kernels.cpu.simd.compiling import elementwise, scalar
from torchghm.kernels.cpu.simd.delayed_tables import look_up_in_memory
from torchghm.kernels.cpu.simd.loads_and_stores import (
    TILE,
)
from torchghm.kernels.cpu.simd.vectors import lanes


@elementwise
def look_up_all_in_memory(real, table, index, found):
    for j in range(0, index.size, lanes(real)):
        look_up_in_memory(table, index, found, j)


@scalar
def table_in_memory(address, entries, real):
    return load_table(0, address, entries, None, real)


@pytest.mark.parametrize("entries", [1, 30, 32, 33, 3030])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_look_up_in_memory(entries, real):
    random = np.random.default_rng(0)
    source = random.random(entries)
    table = table_in_memory(source.ctypes.data, entries, real)
    assert table.ctypes.data % 4096 == 0
    index = random.integers(0, entries, TILE).astype(np.int32)
    found = np.empty(TILE, real)
    look_up_all_in_memory(real, table, index, found)
    np.testing.assert_array_equal(found, source.astype(real)[index])
