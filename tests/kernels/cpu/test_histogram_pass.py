"""Counting the regions of a run of tiles."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kernels.cpu.simd.whole_vectors import edges_of

from torchghm.kernels.cpu import histogram_pass
from torchghm.kernels.cpu.example_tiles import Run
from torchghm.kernels.cpu.histogram_pass import find_regions
from torchghm.kernels.cpu.kernel import ARGUMENTS
from torchghm.kernels.cpu.region_counts import COUNTS_BYTES, MOST, collect, make_counts
from torchghm.kernels.cpu.simd.arithmetic import regions_of
from torchghm.kernels.cpu.simd.bit_planes import FEW
from torchghm.kernels.cpu.simd.compiling import scalar
from torchghm.kernels.cpu.simd.delayed_tables import DELAY_LINE_BYTES, delay_line_in
from torchghm.kernels.cpu.simd.loads_and_stores import (
    TILE,
)
from torchghm.kernels.cpu.simd.register_tables import TWO_REGISTERS


@scalar
def line_in(memory, regions, real, few):
    return delay_line_in(memory, regions, real, few)


@scalar
def count(arguments, real, run, regions, counts, histogram):
    return histogram_pass.count_run(arguments[0], real, run, regions, None, counts, histogram)


def count_run(run, regions, infinite=False, edges=None):
    """A run's histogram, and how many of its numbers are not finite."""
    real = run.dtype.type
    memory, for_line = np.empty(COUNTS_BYTES, np.uint8), np.empty(DELAY_LINE_BYTES, np.uint8)
    few, histogram = True if regions <= FEW else None, np.ones(regions)
    places = np.empty(TILE, np.int32), line_in(for_line.ctypes.data, regions, real, few)
    counts = make_counts(memory.ctypes.data, regions, None, few, places)
    arguments = np.zeros(1, ARGUMENTS)
    arguments["leave_out_nonfinite"] = infinite
    nonfinite = count(arguments, real, Run(run, None, None), regions_of(regions, edges, real), counts, histogram)
    collect(counts, histogram)
    assert not counts.numbers.any()
    assert not counts.counted.any()
    return histogram, nonfinite


@pytest.mark.parametrize("regions", [1, 2, 30, 32, 33, 600, 3030])
@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("tiles", [1, 2, 5])
def test_counting_a_run_is_finding_and_counting_the_regions_of_its_tiles(regions, real, tiles):
    logits = np.random.default_rng(regions).normal(0, 3, tiles * TILE).astype(real)
    logits[: TILE // 2] = 100.0
    edges = edges_of(regions) if real is np.float32 else None
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
