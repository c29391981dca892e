"""GHM-C with sigmoid on a GPU: every logit is an example, one exponential a logit in each pass."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from torchghm.kernels.triton.arithmetic import exponential, log1p_unit, reciprocal
from torchghm.kernels.triton.regions import (
    add_to_histogram,
    histogram_rows,
    look_up,
    read_table,
    region_of,
    store_histogram,
    table_size,
)
from torchghm.kernels.triton.sigmoid_examples import read_examples
from torchghm.kernels.triton.tiles import (
    LAUNCH_OPTIONS,
    THREADS,
    compute_type,
    device_of,
    program_count,
    store_sums,
    store_tile,
    sum_by_thread,
    tile_span,
)

COUNTING_BLOCK = 4096
"""Logits in a tile of pass 1: 32 a thread, because every tile ends in sums over the whole program."""
WEIGHING_BLOCK = 512
"""Block size where weights are summed: every logit is compared with every bin."""
LOSS_BLOCK = 2048
"""Logits in a tile of pass 2, which needs twice the registers."""


@triton.jit
def sigmoid_difference(x, target, INDEX_TARGETS: tl.constexpr):
    """p - p*, and e = exp(-|x|) from which it follows: 1 / (1 + e) is the larger one of p and 1 - p, and e / (1 + e)
    the smaller, without overflow and without cancellation."""
    e = exponential(-tl.abs(x))
    larger = reciprocal(1.0 + e)
    p = tl.where(x > 0, larger, e * larger)
    if INDEX_TARGETS:
        return target * p, e
    else:
        return p - target, e


@triton.jit
def sigmoid_cross_entropy(x, target, e, INDEX_TARGETS: tl.constexpr):
    """softplus(x) = max(x, 0) + log(1 + e); for soft targets (1 - p*) x - log sigmoid(x)."""
    if INDEX_TARGETS:
        return tl.maximum(x, 0.0) + log1p_unit(e)
    else:
        return (1.0 - target) * x - (tl.minimum(x, 0.0) - log1p_unit(e))


@triton.jit(do_not_specialize=["elements", "tiles"])
def sigmoid_histogram_kernel(
    logits,
    targets,
    weight,
    histogram,
    elements,
    tiles,
    CLASSES: tl.constexpr,
    REGIONS: tl.constexpr,
    DENSE: tl.constexpr,
    IGNORE_INDEX: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    INDEX_TARGETS: tl.constexpr,
    WEIGHT: tl.constexpr,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Pass 1: every program counts the regions of its tiles' gradient norms in its own row of ``histogram``."""
    WEIGHTED: tl.constexpr = WEIGHT != "none"
    histogram += tl.program_id(0).to(tl.int64) * (REGIONS + 2)
    dense = tl.zeros([DENSE], tl.float64 if WEIGHTED else tl.int32)
    nonfinite = tl.zeros([], tl.int32)
    invalid = tl.zeros([], tl.int32)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        start, left = tile_span(tile, elements, BLOCK)
        x, target, amount, more_nonfinite, more_invalid = read_examples(
            logits, targets, weight, start, left, float("nan"),
            CLASSES, IGNORE_INDEX, LEAVE_OUT_NONFINITE, INDEX_TARGETS, WEIGHT, ROWS, GROUP, COMPUTE, BLOCK,
        )  # fmt: skip
        nonfinite += more_nonfinite
        invalid += more_invalid
        difference, _ = sigmoid_difference(x, target, INDEX_TARGETS)
        norm = tl.abs(difference)
        dense = add_to_histogram(dense, histogram, norm, amount, REGIONS, DENSE, WEIGHTED)
    store_histogram(histogram, dense, nonfinite, invalid, REGIONS, DENSE)


@triton.jit(do_not_specialize=["elements", "tiles"])
def sigmoid_loss_kernel(
    logits,
    targets,
    weight,
    table,
    gradient,
    sums,
    elements,
    tiles,
    CLASSES: tl.constexpr,
    REGIONS: tl.constexpr,
    TABLE: tl.constexpr,
    IGNORE_INDEX: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    INDEX_TARGETS: tl.constexpr,
    WEIGHT: tl.constexpr,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    COMPUTE: tl.constexpr,
    VECTOR: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Pass 2: write the gradient, and each program's four sums to its row of ``sums``."""
    entries = read_table(table, REGIONS, TABLE)
    harmonized = tl.zeros([THREADS], tl.float64)
    plain = tl.zeros([THREADS], tl.float64)
    size = tl.zeros([THREADS], tl.float64)
    size_of_positives = tl.zeros([THREADS], tl.float64)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        start, left = tile_span(tiles - 1 - tile, elements, BLOCK)  # what pass 1 read last may still be in the cache
        x, target, amount, _, _ = read_examples(
            logits, targets, weight, start, left, -1e30,
            CLASSES, IGNORE_INDEX, LEAVE_OUT_NONFINITE, INDEX_TARGETS, WEIGHT, ROWS, GROUP, COMPUTE, BLOCK,
        )  # fmt: skip
        # 1. Cross entropy and its derivative; both are exactly 0 for x = -1e30, which is no example.
        difference, e = sigmoid_difference(x, target, INDEX_TARGETS)
        loss = sigmoid_cross_entropy(x, target, e, INDEX_TARGETS)
        # 2. Both times beta and the weight; beta is a constant for the gradient.
        factor = look_up(table, entries, region_of(tl.abs(difference), REGIONS), REGIONS) * amount
        difference = factor * difference
        store_tile(gradient + start, tl.arange(0, BLOCK), left, difference, BLOCK)
        # 3. The sums: a tile in the dtype of the arithmetic, tiles in float64. NaN has no size: maximum drops it.
        magnitude = tl.maximum(tl.abs(difference), 0.0)
        magnitude_of_positives = tl.maximum(-difference, 0.0) if INDEX_TARGETS else target * magnitude
        harmonized += sum_by_thread(factor * loss, VECTOR, BLOCK).to(tl.float64)
        plain += sum_by_thread(amount * loss, VECTOR, BLOCK).to(tl.float64)
        size += sum_by_thread(magnitude, VECTOR, BLOCK).to(tl.float64)
        size_of_positives += sum_by_thread(magnitude_of_positives, VECTOR, BLOCK).to(tl.float64)
    store_sums(sums, harmonized, plain, size, tl.sum(size_of_positives))


def sigmoid_histogram(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    regions: int,
    *,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> Tensor:
    """Launch pass 1; contiguous arguments with at least one logit. See `torchghm.kernels.triton`."""
    block = COUNTING_BLOCK if weight is None else WEIGHING_BLOCK
    tiles = triton.cdiv(logits.numel(), block)
    programs = program_count(logits, tiles)
    histogram, dense = histogram_rows(programs, regions, weighted=weight is not None, device=logits.device)
    with device_of(logits):
        sigmoid_histogram_kernel[(programs,)](
            logits, targets, weight, histogram, logits.numel(), tiles,
            REGIONS=regions, DENSE=dense, IGNORE_INDEX=ignore_index, LEAVE_OUT_NONFINITE=leave_out_nonfinite,
            **_layout(logits, targets, weight, block), **LAUNCH_OPTIONS,
        )  # fmt: skip
    return histogram.sum(0, dtype=torch.float64)


def sigmoid_loss(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    table: Tensor,
    *,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> tuple[Tensor, Tensor]:
    """Launch pass 2; returns the four sums and the gradient."""
    tiles = triton.cdiv(logits.numel(), LOSS_BLOCK)
    programs = program_count(logits, tiles)
    gradient = torch.empty_like(logits)
    sums = torch.empty(programs, 4, dtype=torch.float64, device=logits.device)
    with device_of(logits):
        sigmoid_loss_kernel[(programs,)](
            logits, targets, weight, table, gradient, sums, logits.numel(), tiles,
            REGIONS=table.numel(), TABLE=table_size(table),
            IGNORE_INDEX=ignore_index, LEAVE_OUT_NONFINITE=leave_out_nonfinite,
            VECTOR=16 // logits.element_size(), **_layout(logits, targets, weight, LOSS_BLOCK), **LAUNCH_OPTIONS,
        )  # fmt: skip
    return sums.sum(0), gradient


def _layout(logits: Tensor, targets: Tensor, weight: Tensor | None, block: int) -> dict[str, object]:
    """Return what the kernels know at compile time about shapes and dtypes."""
    classes = logits.shape[1]
    return {
        "CLASSES": classes,
        "INDEX_TARGETS": not targets.is_floating_point(),
        "WEIGHT": "none" if weight is None else "row" if weight.dim() == 1 else "logit",
        # A tile can begin at the last element of a row: (classes - 1 + block - 1) // classes + 1 rows at most.
        "ROWS": triton.next_power_of_2((block - 2) // classes + 2),
        "GROUP": math.gcd(classes, 16),
        "COMPUTE": compute_type(logits),
        "BLOCK": block,
    }
