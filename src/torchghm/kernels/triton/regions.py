"""Regions of the gradient norm on a GPU: the index, the histogram of a program, the look-up in the table."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

SHARED_MEMORY_HISTOGRAM = tuple(int(part) for part in triton.__version__.split(".")[:2]) >= (3, 8)
"""From Triton 3.8 `tl.histogram` adds in shared memory, at the same price for 32 bins and for 4096. Before, it takes
ballots over a warp, whose price grows with the number of bins."""

MAX_COUNTED_BINS = 4096 if SHARED_MEMORY_HISTOGRAM else 64
MAX_WEIGHTED_BINS = 32
MAX_TABLE = tl.constexpr(4096)
"""Tables up to so many regions are kept on the chip."""


@triton.jit
def region_of(norm, REGIONS: tl.constexpr):
    """Region of a gradient norm: [k/M, (k+1)/M) is region k, g = 1 lies in the last.

    1. g M rounds, and g itself may be 3e-7 below its exact value: a factor 1 + 2^-21 lets g = k/M fall in region k
       for every M. An example within 5e-7 of an edge may fall on either side of it. (In float64: 2^-48, 4e-15.)
    2. The minimum takes the number where the other is NaN, so that the index is in the table whatever the input.
    """
    slack: tl.constexpr = 2.0**-48 if norm.dtype == tl.float64 else 2.0**-21
    return tl.minimum(norm * (REGIONS * (1.0 + slack)), REGIONS - 1.0).to(tl.int32)


@triton.jit
def add_to_histogram(dense, row, norm, amount, REGIONS: tl.constexpr, DENSE: tl.constexpr, WEIGHTED: tl.constexpr):
    """Add gradient norms [n], NaN where there is no example, to this program's histogram; return its dense part.

    The dense part [DENSE] stays in registers: the first regions, where easy examples crowd; of M unit regions all of
    them. Its last bin takes everything else and is never stored. Any further regions are added one by one in the
    program's ``row`` of global memory.
    """
    # 1. The bin of every example.
    valid = norm == norm
    region = region_of(norm, REGIONS)
    bin = tl.where(valid, region, DENSE - 1)
    if REGIONS >= DENSE:
        bin = tl.minimum(bin, DENSE - 1)
    # 2. The dense part. Weights are multiplied by the 0 or 1 that a comparison of floats yields, one instruction each,
    #    and summed in the dtype of the arithmetic, then in float64. Counts are int32; there the mask changes nothing,
    #    but tells the compiler that no bin is out of range.
    if WEIGHTED:
        hit = bin.to(tl.float32)[:, None] == tl.arange(0, DENSE).to(tl.float32)[None, :]
        amount = tl.where(valid, amount, 0.0)
        dense += tl.sum(hit.to(amount.dtype) * amount[:, None], axis=0).to(tl.float64)
    else:
        dense += tl.histogram(bin & (DENSE - 1), DENSE)
    # 3. The further regions. Integers add up to the same in any order, and so do weights that float64 adds exactly.
    if REGIONS >= DENSE:
        further = valid & (region >= DENSE - 1)
        tl.atomic_add(row + region, amount.to(row.dtype.element_ty), mask=further, sem="relaxed")
    return dense


@triton.jit
def store_histogram(row, dense, nonfinite, invalid, REGIONS: tl.constexpr, DENSE: tl.constexpr):
    """Write what this program has counted to its row."""
    bins = tl.arange(0, DENSE)
    tl.store(row + bins, dense, mask=(bins < REGIONS) & (bins < DENSE - 1))
    tl.store(row + REGIONS, nonfinite)
    tl.store(row + REGIONS + 1, invalid)


@triton.jit
def read_table(table, REGIONS: tl.constexpr, TABLE: tl.constexpr):
    """The table [REGIONS], padded with 0 to [TABLE] (one entry where it is too long to be kept)."""
    index = tl.arange(0, TABLE)
    return tl.load(table + index, mask=index < REGIONS, other=0.0)


@triton.jit
def look_up(table, entries, region, REGIONS: tl.constexpr):
    """The table's entry for every region."""
    if REGIONS <= MAX_TABLE:
        return tl.gather(entries, region, axis=0)
    else:
        return tl.load(table + region)


def histogram_rows(programs: int, regions: int, *, weighted: bool, device: torch.device) -> tuple[Tensor, int]:
    """One row [regions + 2] for each program's histogram, and how many bins of it are dense."""
    limit = MAX_WEIGHTED_BINS if weighted else MAX_COUNTED_BINS
    dense = min(max(triton.next_power_of_2(regions + 1), 32), limit)
    new = torch.zeros if regions >= dense else torch.empty
    return new((programs, regions + 2), dtype=torch.float64 if weighted else torch.int32, device=device), dense


def table_size(table: Tensor) -> int:
    """Entries of the table as `read_table` keeps it, a power of two."""
    regions = table.numel()
    return int(triton.next_power_of_2(regions)) if regions <= MAX_TABLE.value else 1
