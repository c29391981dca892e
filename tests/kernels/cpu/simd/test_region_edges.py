"""Regions found by the edges between them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kernels.cpu.simd.whole_vectors import edges_of, in_vectors

from torchghm.kernels.cpu.simd.arithmetic import regions_of
from torchghm.kernels.cpu.simd.compiling import elementwise
from torchghm.kernels.cpu.simd.loads_and_stores import (
    load_numbers,
    store_numbers,
)
from torchghm.kernels.cpu.simd.region_edges import region_by_edges
from torchghm.kernels.cpu.simd.register_tables import TWO_REGISTERS
from torchghm.kernels.cpu.simd.vectors import lanes


@elementwise
def region_by_edges_of(source, destination, regions):
    for j in range(0, source.size, lanes(np.float32)):
        store_numbers(destination, j, region_by_edges(np.float32, load_numbers(source, j), regions))


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
