"""GHM-C with softmax on a GPU: every row of K logits is an example.

A tile is BLOCK_ROWS whole rows, read in blocks of BLOCK_CLASSES columns: once for the rows' maxima and sums, corrected
as a maximum grows, and again, from the cache, where a pass needs every probability.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from torchghm.kernels.triton_arithmetic import exponential, log1p
from torchghm.kernels.triton_regions import (
    add_to_histogram,
    histogram_rows,
    look_up,
    read_table,
    region_of,
    store_histogram,
    table_size,
)
from torchghm.kernels.triton_tiles import LAUNCH_OPTIONS, THREADS, compute_type, device_of, program_count, tile_span

BLOCK = 2048
"""Logits in a block, except where that were more rows than MAX_BLOCK_ROWS."""
MAX_BLOCK_ROWS = 256
"""Where they are weighted, every row of a tile is compared with every bin."""


@triton.jit
def block_at(first, left, CLASSES: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK_CLASSES: tl.constexpr):
    """A block of the tile, [BLOCK_ROWS, BLOCK_CLASSES], that begins at column ``first``: the places of its elements,
    counted from the tile's first one, and which of them exist."""
    row = tl.arange(0, BLOCK_ROWS)[:, None]
    column = first + tl.arange(0, BLOCK_CLASSES)[None, :]
    return row * CLASSES + column, (row < left) & (column < CLASSES)


@triton.jit
def read_labels(targets, left, CLASSES: tl.constexpr, IGNORE_INDEX: tl.constexpr, BLOCK_ROWS: tl.constexpr):
    """Label of every row, -1 where there is none, int32; which rows have one; how many targets are invalid."""
    row = tl.arange(0, BLOCK_ROWS)
    target = tl.load(targets + row, mask=row < left, other=IGNORE_INDEX)
    in_range = (target >= 0) & (target < CLASSES)
    ignored = target == IGNORE_INDEX
    valid = in_range & ~ignored & (row < left)
    return tl.where(valid, target.to(tl.int32), -1), valid, tl.sum((~(in_range | ignored)).to(tl.int32))


@triton.jit
def add_up_rows(
    logits,
    label,
    left,
    CLASSES: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_CLASSES: tl.constexpr,
):
    """Of every row [BLOCK_ROWS]: the maximum, the sum of exp(x - maximum) over all columns but the labelled one, and
    whether all logits are finite. The labelled column is left out so that 1 - p_y does not cancel."""
    maximum = tl.full([BLOCK_ROWS], float("-inf"), COMPUTE)
    others = tl.zeros([BLOCK_ROWS], COMPUTE)
    nonfinite = tl.zeros([BLOCK_ROWS], tl.int32)
    for first in range(0, CLASSES, BLOCK_CLASSES):
        place, inside = block_at(first, left, CLASSES, BLOCK_ROWS, BLOCK_CLASSES)
        x = tl.load(logits + place, mask=inside, other=float("-inf")).to(COMPUTE)
        # 1. The new maximum; while all logits are -inf the sums are 0 and need no correction.
        previous = maximum
        maximum = tl.maximum(maximum, tl.max(x, axis=1))
        shift = finite_shift(maximum)
        # 2. The sums seen so far, corrected, and this block's.
        column = first + tl.arange(0, BLOCK_CLASSES)[None, :]
        terms = tl.where(column == label[:, None], 0.0, exponential(x - shift[:, None]))
        others = others * exponential(previous - shift) + tl.sum(terms, axis=1)
        nonfinite += tl.sum((inside & ~(tl.abs(x) < float("inf"))).to(tl.int32), axis=1)
    return maximum, others, nonfinite == 0


@triton.jit
def finite_shift(maximum):
    """What is subtracted from a row's logits; -inf - -inf is no number."""
    return tl.where(maximum == float("-inf"), 0.0, maximum)


@triton.jit
def read_examples(
    logits,
    targets,
    start,
    left,
    CLASSES: tl.constexpr,
    IGNORE_INDEX: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    INDEX_TARGETS: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_CLASSES: tl.constexpr,
):
    """Of every row [BLOCK_ROWS]: g, L, what the gradient takes (label, maximum, sum of exponentials, sum of targets)
    and validity; and the numbers of rows with non-finite logits and of invalid targets."""
    logits += start * CLASSES
    targets += start if INDEX_TARGETS else start * CLASSES
    if INDEX_TARGETS:
        label, valid, invalid = read_labels(targets, left, CLASSES, IGNORE_INDEX, BLOCK_ROWS)
        maximum, others, finite = add_up_rows(logits, label, left, CLASSES, COMPUTE, BLOCK_ROWS, BLOCK_CLASSES)
        place = tl.arange(0, BLOCK_ROWS) * CLASSES + label
        labelled = tl.load(logits + place, mask=valid, other=0.0).to(COMPUTE)
        own = exponential(labelled - finite_shift(maximum))
        total = others + own
        mass = tl.full([BLOCK_ROWS], 1.0, COMPUTE)
        # 1. g = 1 - p_y.
        norm = others / total
        # 2. L = log(total) - log(own), where total is at least 1, exactly 1 + others if the label has the maximum.
        loss = (maximum - labelled) + log1p(others + (own - 1.0))
    else:
        label = tl.full([BLOCK_ROWS], -1, tl.int32)
        valid = tl.arange(0, BLOCK_ROWS) < left
        maximum, total, finite = add_up_rows(logits, label, left, CLASSES, COMPUTE, BLOCK_ROWS, BLOCK_CLASSES)
        log_total = log1p(total - 1.0)
        norm = tl.zeros([BLOCK_ROWS], COMPUTE)
        loss = tl.zeros([BLOCK_ROWS], COMPUTE)
        mass = tl.zeros([BLOCK_ROWS], COMPUTE)
        invalid = tl.zeros([], tl.int32)
        for first in range(0, CLASSES, BLOCK_CLASSES):
            place, inside = block_at(first, left, CLASSES, BLOCK_ROWS, BLOCK_CLASSES)
            x = tl.load(logits + place, mask=inside, other=0.0).to(COMPUTE)
            target = tl.load(targets + place, mask=inside, other=0.0).to(COMPUTE)
            # 1. g = |p - p*|_1 / 2.
            p = exponential(x - finite_shift(maximum)[:, None]) / total[:, None]
            norm += 0.5 * tl.sum(tl.where(inside, tl.abs(p - target), 0.0), axis=1)
            # 2. L = -sum p* log p.
            surprise = (maximum[:, None] - x) + log_total[:, None]
            loss += tl.sum(tl.where(inside, target * surprise, 0.0), axis=1)
            mass += tl.sum(target, axis=1)
            invalid += tl.sum((~((target >= 0) & (target <= 1))).to(tl.int32))
    nonfinite = tl.sum((valid & ~finite).to(tl.int32))
    if LEAVE_OUT_NONFINITE:
        valid = valid & finite
    return norm, loss, label, maximum, total, mass, valid, nonfinite, invalid


@triton.jit
def read_weights(weight, start, left, WEIGHT: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_ROWS: tl.constexpr):
    """Weight of every row, [BLOCK_ROWS]."""
    if WEIGHT:
        row = tl.arange(0, BLOCK_ROWS)
        amount = tl.load(weight + start + row, mask=row < left, other=0.0).to(COMPUTE)
    else:
        amount = tl.full([BLOCK_ROWS], 1.0, COMPUTE)
    return amount


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
    sums += tl.program_id(0) * 4
    tl.store(sums, tl.sum(harmonized))
    tl.store(sums + 1, tl.sum(plain))
    tl.store(sums + 2, tl.sum(size))
    tl.store(sums + 3, 0.0)


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
    """What the kernels know at compile time about shapes and dtypes."""
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
