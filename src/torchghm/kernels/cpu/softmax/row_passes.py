"""Both passes where a row is an example: rows of few classes side by side, others one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from torchghm.kernels.cpu.example_tiles import count_nonfinite
from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.simd.annotations import Numbers, Option, Real
from torchghm.kernels.cpu.simd.arithmetic import Regions, region, regions_of
from torchghm.kernels.cpu.simd.compiling import part_of_caller, scalar
from torchghm.kernels.cpu.simd.intrinsics import array_at, fetch_add
from torchghm.kernels.cpu.simd.loads_and_stores import load, store
from torchghm.kernels.cpu.softmax.one_row import (
    NO_EXAMPLE,
    SOFT,
    norm_loss_and_total,
    read_target,
    scale,
    soft_gradient,
)
from torchghm.kernels.cpu.softmax.rows_side_by_side import (
    ROWS,
    Block,
    make_block,
    measure_block,
    read_block,
    write_gradient,
)


class Room(NamedTuple):
    """Memory that a thread works in, and the regions."""

    numbers: Numbers
    """[K] logits of a row."""
    targets: Numbers
    """[K] soft targets of a row."""
    block: Block
    """None where there are many classes."""
    regions: Regions


@part_of_caller
def count_rows(a: Arguments, real: Real, few_classes: Option) -> None:
    """Pass 1; a chunk's sums are the histogram and the numbers of non-finite rows and of invalid targets."""
    room = _room(a, real, few_classes)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * a.width, a.width)
        sums[:] = 0.0
        row, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows)
        while row < end:
            stop, counted = min(row + ROWS, end), False
            if few_classes is not None:
                counted = _count_block(a, real, row, stop, room, sums)
            if not counted:
                for one in range(row, stop):
                    _count_row(a, real, one, room, sums)
            row = stop


@part_of_caller
def weigh_rows(a: Arguments, real: Real, few_classes: Option) -> None:
    """Pass 2; a chunk's sums are w L, table w g, 0, and table w L."""
    room = _room(a, real, few_classes)
    while True:
        chunk = fetch_add(a.counter, 1)
        if chunk >= a.chunks:
            break
        sums = array_at(a.sums, np.float64, chunk * 4, 4)
        sums[:] = 0.0
        row, end = chunk * a.chunk_size, min((chunk + 1) * a.chunk_size, a.rows)
        while row < end:
            stop, weighed = min(row + ROWS, end), False
            if few_classes is not None:
                weighed = _weigh_block(a, real, row, stop, room, sums)
            if not weighed:
                for one in range(row, stop):
                    _weigh_row(a, real, one, room, sums)
            row = stop


@scalar
def _room(a: Arguments, real: Real, few_classes: Option) -> Room:
    return Room(
        np.empty(a.columns, real),
        np.empty(a.columns, real),
        make_block(few_classes, a.columns, real),
        regions_of(a.regions, None, real),
    )


@scalar
def _count_block(a: Arguments, real: Real, row: int, stop: int, room: Room, sums: Numbers) -> bool:
    """Count the rows from ``row`` on, before ``stop``, if they can be worked on side by side; returns whether."""
    block = room.block
    finite, invalid = read_block(a, real, row, stop - row, block)
    if not finite:
        return False
    measure_block(real, block, room.regions)
    sums[a.regions + 1] += invalid
    for j in range(ROWS):
        sums[block.regions[j]] += block.weights[j]
    return True


@scalar
def _weigh_block(a: Arguments, real: Real, row: int, stop: int, room: Room, sums: Numbers) -> bool:
    """Write the gradient of the rows from ``row`` on, before ``stop``; returns whether, as `_count_block`."""
    block, table = room.block, array_at(a.table, np.float64, 0, a.regions)
    if not read_block(a, real, row, stop - row, block)[0]:
        return False
    measure_block(real, block, room.regions)
    plain, size, harmonized = 0.0, 0.0, 0.0
    for j in range(ROWS):
        amount, loss = np.float64(block.weights[j]), np.float64(block.losses[j])
        weight = table[block.regions[j]] * amount
        block.factors[j] = weight / block.totals[j]
        plain += amount * loss
        size += weight * block.norms[j]
        harmonized += weight * loss
    sums[0], sums[1], sums[3] = sums[0] + plain, sums[1] + size, sums[3] + harmonized
    write_gradient(a, real, row, stop - row, block)
    return True


@scalar
def _count_row(a: Arguments, real: Real, row: int, room: Room, sums: Numbers) -> None:
    numbers, targets = room.numbers, room.targets
    label, invalid = read_target(a, row, targets)
    sums[a.regions + 1] += invalid
    if label == NO_EXAMPLE:
        return
    load(a.storage, a.logits, row * a.columns, a.columns, numbers)
    if count_nonfinite(numbers):
        sums[a.regions] += 1
        if a.leave_out_nonfinite:
            return
    norm, _, _ = norm_loss_and_total(real, label, targets, numbers)
    if norm == norm:
        sums[region(real(norm), room.regions)] += _weight(a, real, row)


@scalar
def _weigh_row(a: Arguments, real: Real, row: int, room: Room, sums: Numbers) -> None:
    numbers, targets = room.numbers, room.targets
    label, _ = read_target(a, row, targets)
    if label != NO_EXAMPLE:
        load(a.storage, a.logits, row * a.columns, a.columns, numbers)
        if a.leave_out_nonfinite and count_nonfinite(numbers):
            label = NO_EXAMPLE
    if label == NO_EXAMPLE:
        numbers[:] = 0
        store(a.storage, a.gradient, row * a.columns, a.columns, numbers)
        return
    norm, loss, total = norm_loss_and_total(real, label, targets, numbers)
    amount = _weight(a, real, row)
    weight = array_at(a.table, np.float64, 0, a.regions)[region(real(norm), room.regions)] * amount
    if label == SOFT:
        soft_gradient(numbers, targets, real(weight * targets.sum() / total), real(weight))
    else:
        scale(numbers, real(weight / total))
        numbers[label] = -weight * norm
    store(a.storage, a.gradient, row * a.columns, a.columns, numbers)
    sums[0] += amount * loss
    sums[1] += weight * norm if norm == norm else 0.0
    sums[3] += weight * loss


@scalar
def _weight(a: Arguments, real: Real, row: int) -> float:
    return array_at(a.weight, real, row, 1)[0] if a.weight else 1.0
