"""Tables in registers."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kernels.cpu.simd.whole_vectors import in_vectors

from torchghm.kernels.cpu.loss_pass import load_table
from torchghm.kernels.cpu.simd.compiling import elementwise, scalar
from torchghm.kernels.cpu.simd.loads_and_stores import (
    TILE,
    load_numbers,
    store_numbers,
)
from torchghm.kernels.cpu.simd.register_tables import ENTRIES, TWO_REGISTERS, look_up_in_registers
from torchghm.kernels.cpu.simd.vectors import as_int32, lanes


@elementwise
def look_up_of_numbers(places, found, table):
    for j in range(0, places.size, lanes(np.float32)):
        store_numbers(found, j, look_up_in_registers(table, as_int32(load_numbers(places, j))))


@scalar
def fill(memory, address, entries):
    load_table(memory, address, entries, True, np.float32)


@pytest.mark.skipif(not TWO_REGISTERS, reason="without AVX-512 tables are looked up in memory")
@pytest.mark.parametrize("entries", [1, 30, 32])
def test_look_up_in_registers(entries):
    random = np.random.default_rng(0)
    source = random.random(entries)
    table = np.zeros(ENTRIES, np.float32)
    fill(table.ctypes.data, source.ctypes.data, entries)
    index = random.integers(0, entries, TILE)
    found = in_vectors(look_up_of_numbers, index.astype(np.float32), table)
    np.testing.assert_array_equal(found, source.astype(np.float32)[index])
