"""GHM-C with softmax on a GPU: every row of K logits is an example.

A tile is BLOCK_ROWS whole rows, read in blocks of BLOCK_CLASSES columns: once for the rows' maxima and sums, corrected
as a maximum grows, and again, from the cache, where a pass needs every probability.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from torchghm.kernels.triton.arithmetic import exponential
from torchghm.kernels.triton.regions import (
    add_to_histogram,
    histogram_rows,
    look_up,
    read_table,
    region_of,
    store_histogram,
    table_size,
)
from torchghm.kernels.triton.softmax_examples import block_at, finite_shift, read_examples, read_weights
from torchghm.kernels.triton.tiles import (
    LAUNCH_OPTIONS,
    THREADS,
    compute_type,
    device_of,
    program_count,
    store_sums,
    tile_span,
)

BLOCK = 2048
"""Logits in a block, except where that were more rows than MAX_BLOCK_ROWS."""
MAX_BLOCK_ROWS = 256
"""Where they are weighted, every row of a tile is compared with every bin."""


@triton.jit(do_not_specialize=["rows", "tiles"])
def softmax_histogram_kernel(
    logits,
    targets,
    weight,
    histogram,
    rows,
    tiles,
    CLASSES: tl.constexpr,
    REGIONS: tl.constexpr,
    DENSE: tl.constexpr,
    SUMMED: tl.constexpr,
    IGNORE_INDEX: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    INDEX_TARGETS: tl.constexpr,
    WEIGHT: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_CLASSES: tl.constexpr,
):
    """Pass 1: every program adds its rows' gradient norms to its own row of ``histogram``."""
    histogram += tl.program_id(0).to(tl.int64) * (REGIONS + 2)
    dense = tl.zeros([DENSE], tl.float64 if SUMMED else tl.int32)
    nonfinite = tl.zeros([], tl.int32)
    invalid = tl.zeros([], tl.int32)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        start, left = tile_span(tile, rows, BLOCK_ROWS)
        norm, _, _, _, _, _, valid, more_nonfinite, more_invalid = read_examples(
            logits, targets, start, left,
            CLASSES, IGNORE_INDEX, LEAVE_OUT_NONFINITE, INDEX_TARGETS, COMPUTE, BLOCK_ROWS, BLOCK_CLASSES,
        )  # fmt: skip
        nonfinite += more_nonfinite
        invalid += more_invalid
        amount = read_weights(weight, start, left, WEIGHT, COMPUTE, BLOCK_ROWS)
        norm = tl.where(valid, norm, float("nan"))
        dense = add_to_histogram(dense, histogram, norm, amount, REGIONS, DENSE, SUMMED)
    store_histogram(histogram, dense, nonfinite, invalid, REGIONS, DENSE)


@triton.jit(do_not_specialize=["rows", "tiles"])
def softmax_loss_kernel(
    logits,
    targets,
    weight,
    table,
    gradient,
    sums,
    rows,
    tiles,
    CLASSES: tl.constexpr,
    REGIONS: tl.constexpr,
    TABLE: tl.constexpr,
    IGNORE_INDEX: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    INDEX_TARGETS: tl.constexpr,
    WEIGHT: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_CLASSES: tl.constexpr,
):
    """Pass 2: write the gradient, and each program's three sums to its row of ``sums``."""
    entries = read_table(table, REGIONS, TABLE)
    harmonized = tl.zeros([BLOCK_ROWS], tl.float64)
    plain = tl.zeros([BLOCK_ROWS], tl.float64)
    size = tl.zeros([BLOCK_ROWS], tl.float64)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        start, left = tile_span(tiles - 1 - tile, rows, BLOCK_ROWS)  # what pass 1 read last may still be in the cache
        norm, loss, label, maximum, total, mass, valid, _, _ = read_examples(
            logits, targets, start, left,
            CLASSES, IGNORE_INDEX, LEAVE_OUT_NONFINITE, INDEX_TARGETS, COMPUTE, BLOCK_ROWS, BLOCK_CLASSES,
        )  # fmt: skip
        # 1. beta times the weight of every row, and the sums. NaN has no size: maximum drops it.
        amount = read_weights(weight, start, left, WEIGHT, COMPUTE, BLOCK_ROWS)
        loss = tl.where(valid, loss, 0.0)
        norm = tl.where(valid, norm, 0.0)
        factor = look_up(table, entries, region_of(norm, REGIONS), REGIONS) * amount
        harmonized += (factor * loss).to(tl.float64)
        plain += (amount * loss).to(tl.float64)
        size += tl.maximum(factor * norm, 0.0).to(tl.float64)
        # 2. The gradient: (sum p*) p - p* of every column, for an index p, and -g at the label.
        for first in range(0, CLASSES, BLOCK_CLASSES):
            place, inside = block_at(first, left, CLASSES, BLOCK_ROWS, BLOCK_CLASSES)
            x = tl.load(logits + start * CLASSES + place, mask=inside, other=0.0).to(COMPUTE)
            p = exponential(x - finite_shift(maximum)[:, None]) * (mass / total)[:, None]
            if INDEX_TARGETS:
                column = first + tl.arange(0, BLOCK_CLASSES)[None, :]
                difference = tl.where(column == label[:, None], -norm[:, None], p)
            else:
                target = tl.load(targets + start * CLASSES + place, mask=inside, other=0.0).to(COMPUTE)
                difference = p - target
            difference = tl.where(valid[:, None], factor[:, None] * difference, 0.0)
            tl.store(gradient + start * CLASSES + place, difference.to(gradient.dtype.element_ty), mask=inside)
    store_sums(sums, harmonized, plain, size, 0.0)


def softmax_histogram(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    regions: int,
    *,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> Tensor:
    """Launch pass 1; contiguous arguments with at least one logit. See `torchghm.kernels.triton`."""
    layout = _layout(logits, targets, weight)
    # Fewer rows than threads: adding them up costs less than counting them.
    summed = weight is not None or layout["BLOCK_ROWS"] < THREADS.value
    tiles = triton.cdiv(logits.shape[0], layout["BLOCK_ROWS"])
    programs = program_count(logits, tiles)
    histogram, dense = histogram_rows(programs, regions, weighted=summed, device=logits.device)
    with device_of(logits):
        softmax_histogram_kernel[(programs,)](
            logits, targets, weight, histogram, logits.shape[0], tiles, REGIONS=regions, DENSE=dense, SUMMED=summed,
            IGNORE_INDEX=ignore_index, LEAVE_OUT_NONFINITE=leave_out_nonfinite, **layout, **LAUNCH_OPTIONS,
        )  # fmt: skip
    return histogram.sum(0, dtype=torch.float64)


def softmax_loss(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    table: Tensor,
    *,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> tuple[Tensor, Tensor]:
    """Launch pass 2; returns the four sums (the last is 0) and the gradient."""
    layout = _layout(logits, targets, weight)
    tiles = triton.cdiv(logits.shape[0], layout["BLOCK_ROWS"])
    programs = program_count(logits, tiles)
    gradient = torch.empty_like(logits)
    sums = torch.empty(programs, 4, dtype=torch.float64, device=logits.device)
    with device_of(logits):
        softmax_loss_kernel[(programs,)](
            logits, targets, weight, table, gradient, sums, logits.shape[0], tiles,
            REGIONS=table.numel(), TABLE=table_size(table),
            IGNORE_INDEX=ignore_index, LEAVE_OUT_NONFINITE=leave_out_nonfinite, **layout, **LAUNCH_OPTIONS,
        )  # fmt: skip
    return sums.sum(0), gradient


def _layout(logits: Tensor, targets: Tensor, weight: Tensor | None) -> dict[str, Any]:
    """Return what the kernels know at compile time about shapes and dtypes."""
    classes = logits.shape[1]
    block_classes = min(triton.next_power_of_2(classes), BLOCK)
    return {
        "CLASSES": classes,
        "INDEX_TARGETS": not targets.is_floating_point(),
        "WEIGHT": weight is not None,
        "COMPUTE": compute_type(logits),
        "BLOCK_ROWS": min(BLOCK // block_classes, MAX_BLOCK_ROWS),
        "BLOCK_CLASSES": block_classes,
    }
