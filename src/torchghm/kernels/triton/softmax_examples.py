"""The examples in a tile of rows: maximum, sum, gradient norm and cross entropy of every row of K logits."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl

from torchghm.kernels.triton.arithmetic import exponential, log1p


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
    """Return for every row [BLOCK_ROWS] the maximum, the sum of exp(x - maximum) over all columns but the labelled one,
    and whether all logits are finite. The labelled column is left out so that 1 - p_y does not cancel."""
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
    """Return what is subtracted from a row's logits; -inf - -inf is no number."""
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
    """Return for every row [BLOCK_ROWS] g, L, what the gradient takes (label, maximum, sum of exponentials, sum of
    targets) and validity; and the numbers of rows with non-finite logits and of invalid targets."""
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
