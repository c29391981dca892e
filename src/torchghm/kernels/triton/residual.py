"""GHM-R on a GPU: every coordinate's residual is an example of ASL1."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from torchghm.kernels.triton.regions import (
    add_to_histogram,
    histogram_rows,
    look_up,
    read_table,
    region_of,
    store_histogram,
    table_size,
)
from torchghm.kernels.triton.tiles import (
    LAUNCH_OPTIONS,
    THREADS,
    compute_type,
    device_of,
    load_tile,
    program_count,
    store_sums,
    store_tile,
    sum_by_thread,
    tile_span,
)

BLOCK = 1024
"""Residuals in a tile: there are few, the coordinates of positive anchors, and they should reach many programs."""
WEIGHING_BLOCK = 512
"""Block size where weights are summed: every residual is compared with every bin."""


@triton.jit
def read_residuals(
    residual,
    weight,
    start,
    left,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    WEIGHTED: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Residuals, weights, which are examples, and which are not finite, each [BLOCK]."""
    element = tl.arange(0, BLOCK)
    d = load_tile(residual + start, element, left, COMPUTE, BLOCK)
    finite = tl.abs(d) < float("inf")
    valid = element < left
    if LEAVE_OUT_NONFINITE:
        valid = valid & finite
    one = tl.full([BLOCK], 1.0, COMPUTE)
    amount = load_tile(weight + start, element, left, COMPUTE, BLOCK) if WEIGHTED else one
    return d, amount, valid, ~finite


@triton.jit
def asl1_angle(d, MU: tl.constexpr):
    """Sine and cosine of the angle between mu and d, seen as the legs of a right triangle.

    With h = sqrt(d^2 + mu^2): g = |d| / h is the sine, and mu / h the cosine.
    1. The shorter leg over the longer, at most 1: its square does not overflow, and an infinite d gives 0.
    2. The longer leg over h is 1 / sqrt(1 + ratio^2), the shorter one ratio times that.
    """
    mu = tl.full([], MU, d.dtype)
    distance = tl.abs(d)
    flat = distance < mu
    ratio = tl.where(flat, distance, mu) / tl.where(flat, mu, distance)
    longer = tl.rsqrt(1.0 + ratio * ratio)
    shorter = ratio * longer
    return tl.where(flat, shorter, longer), tl.where(flat, longer, shorter)


@triton.jit(do_not_specialize=["elements", "tiles"])
def residual_histogram_kernel(
    residual,
    weight,
    histogram,
    elements,
    tiles,
    MU: tl.constexpr,
    REGIONS: tl.constexpr,
    DENSE: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    WEIGHTED: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Pass 1: every program counts the regions of its tiles' gradient norms in its own row of ``histogram``."""
    histogram += tl.program_id(0).to(tl.int64) * (REGIONS + 2)
    dense = tl.zeros([DENSE], tl.float64 if WEIGHTED else tl.int32)
    nonfinite = tl.zeros([], tl.int32)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        start, left = tile_span(tile, elements, BLOCK)
        d, amount, valid, not_finite = read_residuals(
            residual, weight, start, left, LEAVE_OUT_NONFINITE, WEIGHTED, COMPUTE, BLOCK
        )
        nonfinite += tl.sum(not_finite.to(tl.int32))
        norm, _ = asl1_angle(d, MU)
        norm = tl.where(valid, norm, float("nan"))
        dense = add_to_histogram(dense, histogram, norm, amount, REGIONS, DENSE, WEIGHTED)
    store_histogram(histogram, dense, nonfinite, 0, REGIONS, DENSE)


@triton.jit(do_not_specialize=["elements", "tiles"])
def residual_loss_kernel(
    residual,
    weight,
    table,
    gradient,
    sums,
    elements,
    tiles,
    MU: tl.constexpr,
    REGIONS: tl.constexpr,
    TABLE: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    WEIGHTED: tl.constexpr,
    COMPUTE: tl.constexpr,
    VECTOR: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Pass 2: write the gradient, and each program's three sums to its row of ``sums``."""
    entries = read_table(table, REGIONS, TABLE)
    harmonized = tl.zeros([THREADS], tl.float64)
    plain = tl.zeros([THREADS], tl.float64)
    size = tl.zeros([THREADS], tl.float64)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        start, left = tile_span(tiles - 1 - tile, elements, BLOCK)  # what pass 1 read last may still be in the cache
        d, amount, valid, _ = read_residuals(
            residual, weight, start, left, LEAVE_OUT_NONFINITE, WEIGHTED, COMPUTE, BLOCK
        )
        # 1. ASL1 = sqrt(d^2 + mu^2) - mu = d^2 / (h + mu) = |d| sin / (1 + cos): no cancellation near 0. d = 0, whose
        #    loss and derivative are 0, stands for no example.
        d = tl.where(valid, d, 0.0)
        sine, cosine = asl1_angle(d, MU)
        loss = tl.abs(d) * (sine / (1.0 + cosine))
        # 2. Loss and derivative, sin with the sign of d, times beta and the weight.
        factor = look_up(table, entries, region_of(sine, REGIONS), REGIONS) * amount
        derivative = factor * sine
        store_tile(gradient + start, tl.arange(0, BLOCK), left, tl.where(d < 0, -derivative, derivative), BLOCK)
        # 3. The sums. NaN has no size: maximum drops it.
        harmonized += sum_by_thread(factor * loss, VECTOR, BLOCK).to(tl.float64)
        plain += sum_by_thread(amount * loss, VECTOR, BLOCK).to(tl.float64)
        size += sum_by_thread(tl.maximum(derivative, 0.0), VECTOR, BLOCK).to(tl.float64)
    store_sums(sums, harmonized, plain, size, 0.0)


def residual_histogram(
    residual: Tensor, weight: Tensor | None, regions: int, *, mu: float, leave_out_nonfinite: bool
) -> Tensor:
    """Launch pass 1; contiguous arguments with at least one residual. See `torchghm.kernels.triton`."""
    block = BLOCK if weight is None else WEIGHING_BLOCK
    tiles = triton.cdiv(residual.numel(), block)
    programs = program_count(residual, tiles)
    histogram, dense = histogram_rows(programs, regions, weighted=weight is not None, device=residual.device)
    with device_of(residual):
        residual_histogram_kernel[(programs,)](
            residual, weight, histogram, residual.numel(), tiles,
            MU=mu, REGIONS=regions, DENSE=dense, LEAVE_OUT_NONFINITE=leave_out_nonfinite,
            WEIGHTED=weight is not None, COMPUTE=compute_type(residual), BLOCK=block, **LAUNCH_OPTIONS,
        )  # fmt: skip
    return histogram.sum(0, dtype=torch.float64)


def residual_loss(
    residual: Tensor, weight: Tensor | None, table: Tensor, *, mu: float, leave_out_nonfinite: bool
) -> tuple[Tensor, Tensor]:
    """Launch pass 2; returns the four sums and the gradient."""
    tiles = triton.cdiv(residual.numel(), BLOCK)
    programs = program_count(residual, tiles)
    gradient = torch.empty_like(residual)
    sums = torch.empty(programs, 4, dtype=torch.float64, device=residual.device)
    with device_of(residual):
        residual_loss_kernel[(programs,)](
            residual, weight, table, gradient, sums, residual.numel(), tiles,
            MU=mu, REGIONS=table.numel(), TABLE=table_size(table), LEAVE_OUT_NONFINITE=leave_out_nonfinite,
            WEIGHTED=weight is not None, COMPUTE=compute_type(residual), VECTOR=16 // residual.element_size(),
            BLOCK=BLOCK, **LAUNCH_OPTIONS,
        )  # fmt: skip
    return sums.sum(0), gradient
