"""The examples in a tile of the flat logits: targets and weights of rows, spread over the elements of each row."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl

from torchghm.kernels.triton.tiles import load_tile


@triton.jit
def rows_of_tile(start, CLASSES: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr):
    """Row of the tile's first element, how many elements of that row lie before the tile, and the row (counted from
    that first one) of every GROUP of elements, [BLOCK / GROUP].

    GROUP divides both the number of classes and the start of a tile, so that a group lies in one row: the division
    is by a constant, and is paid once a group.
    """
    first_row = start // CLASSES
    skipped = (start - first_row * CLASSES).to(tl.int32)
    return first_row, skipped, (skipped + tl.arange(0, BLOCK // GROUP) * GROUP) // CLASSES


@triton.jit
def spread(values, row, CLASSES: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr):
    """Give every element of the tile, [BLOCK], what its row holds, [ROWS]."""
    if CLASSES > 1:
        values = tl.gather(values, row, axis=0)
    return tl.reshape(tl.broadcast_to(values[:, None], [BLOCK // GROUP, GROUP]), [BLOCK])


@triton.jit
def read_labels(
    targets,
    first_row,
    skipped,
    left,
    CLASSES: tl.constexpr,
    IGNORE_INDEX: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Where in the tile the labelled element of every row is, [ROWS] int32, and the number of invalid targets.

    For background, label -1, it is a place outside the row; for a row that is no example -CLASSES - 1, less than any
    other. The tile that holds a row's first element judges its target.
    """
    place = tl.arange(0, ROWS) * CLASSES - skipped
    target = tl.load(targets + first_row + tl.arange(0, ROWS), mask=place < left, other=IGNORE_INDEX)
    in_range = (target >= -1) & (target < CLASSES)
    ignored = target == IGNORE_INDEX
    invalid = tl.sum((~(in_range | ignored) & (place >= 0)).to(tl.int32))
    return tl.where(in_range & ~ignored, place + target.to(tl.int32), -CLASSES - 1), invalid


@triton.jit
def read_examples(
    logits,
    targets,
    weight,
    start,
    left,
    HIDDEN: tl.constexpr,
    CLASSES: tl.constexpr,
    IGNORE_INDEX: tl.constexpr,
    LEAVE_OUT_NONFINITE: tl.constexpr,
    INDEX_TARGETS: tl.constexpr,
    WEIGHT: tl.constexpr,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Logits, targets and weights of a tile's elements, each [BLOCK], and the numbers of non-finite logits and of
    invalid targets. A logit that is no example becomes HIDDEN.

    With an index as target, the logit's sign is made to say how wrong it is (-x at the labelled class), and the
    target is that sign. Then g = sigmoid(x) and L = softplus(x) for every element.
    """
    element = tl.arange(0, BLOCK)
    x = load_tile(logits + start, element, left, COMPUTE, BLOCK)
    first_row, skipped, row = rows_of_tile(start, CLASSES, GROUP, BLOCK)
    # 1. Targets: an index is looked up by row and never becomes a one-hot tensor.
    if INDEX_TARGETS:
        place, invalid = read_labels(targets, first_row, skipped, left, CLASSES, IGNORE_INDEX, ROWS)
        place = spread(place, row, CLASSES, GROUP, BLOCK)
        valid = place != -CLASSES - 1
        target = tl.where(place == element, -1.0, 1.0).to(COMPUTE)
        x = x * target
    else:
        target = load_tile(targets + start, element, left, COMPUTE, BLOCK)
        valid = element < left
        invalid = tl.sum((~((target >= 0) & (target <= 1))).to(tl.int32))
    # 2. Non-finite logits are counted, and left out if asked for.
    finite = tl.abs(x) < float("inf")
    nonfinite = tl.sum((valid & ~finite).to(tl.int32))
    if LEAVE_OUT_NONFINITE:
        valid = valid & finite
    x = tl.where(valid, x, HIDDEN)
    if not INDEX_TARGETS:
        target = tl.where(valid, target, 0.0)
    # 3. Weights: one a logit, one a row, or none.
    if WEIGHT == "logit":
        amount = load_tile(weight + start, element, left, COMPUTE, BLOCK)
    elif WEIGHT == "row":
        index = tl.arange(0, ROWS)
        amount = tl.load(weight + first_row + index, mask=index * CLASSES - skipped < left, other=0.0).to(COMPUTE)
        amount = spread(amount, row, CLASSES, GROUP, BLOCK)
    else:
        amount = tl.full([BLOCK], 1.0, COMPUTE)
    return x, target, amount, nonfinite, invalid
