"""What lies around the passes on a CPU, as kernels: a few boxes take torch's small operations longer than both passes.

They do what `DensityState`, `weight_table`, `positive_weight` and `ResidualScale` do, which run everywhere else.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchghm.kernels.cpu_arithmetic import log1p_unit
from torchghm.kernels.cpu_intrinsics import bits, carray, elementwise, from_bits, overload, scalar, summing, vectorize
from torchghm.kernels.cpu_storage import TILE, array_at

COUNT_POSITIVES, POSITIVES_GIVEN = 1, 2
"""What the mean is over, where it is not over all examples."""
REFUSE_TARGETS, REFUSE_NONFINITE, REFUSE_WEIGHTS = 1, 2, 4
"""What is an error, by bits."""
ALL, BEFORE_THE_SUM, AFTER_THE_SUM = 0, 1, 2
"""What of a kernel is done: a sum over ranks comes after all is counted and checked, and before the averages move."""


def record_parts(regions: int) -> list[int]:
    """Lengths of what lies one behind the other in the record, float64.

    Histogram with the counts of pass 1; fractions and those of the batch; beta; table; the sums of pass 2; examples;
    what the mean is over.
    """
    return [regions + 2, regions, regions, regions, regions, 4, 1, 1]


def between(pointer: Any) -> None:
    """From the histogram to the table: move the averages over iterations, and weigh the regions."""
    _between(carray(pointer, (1,))[0])


def follow_float32(pointer: Any) -> None:
    """Before pass 1 of ``mu="auto"``: move the distribution of |d|, and set mu to its median."""
    _follow(carray(pointer, (1,))[0], np.float32)


def follow_float64(pointer: Any) -> None:
    """The same of float64 residuals."""
    _follow(carray(pointer, (1,))[0], np.float64)


@scalar
def _between(a: Any) -> None:
    regions, first = a.regions, a.regions + 2
    histogram = array_at(a.record, np.float64, 0, first)
    if a.stage != AFTER_THE_SUM and _refused(a, histogram, regions):
        a.refused = 1
    if a.stage == BEFORE_THE_SUM or a.refused:
        return
    counts = array_at(a.counts, np.float64, 0, regions)
    estimate = array_at(a.record, np.float64, first, regions)
    batch = array_at(a.record, np.float64, first + regions, regions)
    beta = array_at(a.record, np.float64, first + 2 * regions, regions)
    table = array_at(a.record, np.float64, first + 3 * regions, regions)
    examples = array_at(a.record, np.float64, first + 4 * regions + 4, 1)
    total = array_at(a.record, np.float64, first + 4 * regions + 5, 1)
    fractions, seen = array_at(a.fractions, np.float32, 0, regions), array_at(a.seen, np.float32, 0, 1)
    examples[0] = _move(counts, fractions, seen, a.momentum, a.training != 0, estimate, batch)
    _inverse_density(estimate, a.bins, beta)
    if a.occupied:
        _inverse_density(batch, a.bins, table)  # as scratch
        share = 0.0
        for region in range(regions):
            share += batch[region] * table[region]
        factor = _inverse(share)
        for region in range(regions):
            beta[region] *= factor
    least = 0.0
    if a.average == COUNT_POSITIVES:
        total[0], least = _count_positives(a), 1.0
    elif a.average == POSITIVES_GIVEN:
        least = 1.0
        if a.stage == AFTER_THE_SUM:
            total[0] = array_at(a.counts, np.float64, regions, 1)[0]
    else:
        total[0] = examples[0]
    part = _inverse(max(total[0], least) / a.ranks) if a.mean else 1.0
    for region in range(regions):
        beta[region] = min(beta[region], a.max_weight)
        table[region] = min(beta[region] * part, a.largest)


@scalar
def _refused(a: Any, histogram: Any, regions: Any) -> Any:
    """Whether pass 1 found what is an error; nothing has been changed by then."""
    if a.refuse & REFUSE_TARGETS and histogram[regions + 1] > 0:
        return True
    if a.refuse & REFUSE_NONFINITE and histogram[regions] > 0:
        return True
    negative = 0
    if a.refuse & REFUSE_WEIGHTS:
        for region in range(regions):
            negative += not histogram[region] >= 0
    return negative > 0


@scalar
def _count_positives(a: Any) -> Any:
    """`positive_weight` of class indices without weights."""
    positives = 0
    for label in array_at(a.targets, np.int64, 0, a.rows):
        positives += (label >= 0) & (label < a.columns) & (label != a.ignore_index)
    return float(positives)


@scalar
def _follow(a: Any, real: Any) -> None:
    counts = array_at(a.sizes, np.float64, 0, a.cells + 1)
    if a.stage != AFTER_THE_SUM:
        if a.refuse and _any_refused(a, real):
            a.refused = 1
            return
        _count_sizes(a, real, counts)
    if a.stage == BEFORE_THE_SUM:
        return
    fractions, seen = array_at(a.scale_fractions, np.float32, 0, a.cells), array_at(a.scale_seen, np.float32, 0, 1)
    estimate, batch = np.empty(a.cells), np.empty(a.cells)
    _move(counts[: a.cells], fractions, seen, a.scale_momentum, a.training != 0, estimate, batch)
    place = _median(estimate, a.part_below)
    a.mu = real(a.smallest * 10.0 ** (place / a.cells_per_decade)) if place >= 0 else 1.0


@scalar
def _count_sizes(a: Any, real: Any, counts: Any) -> None:
    """The distribution of log |d|, and behind it how much is not finite."""
    counts[:] = 0.0
    cell = np.empty(TILE, np.int32)
    for start in range(0, a.rows, TILE):
        count = min(TILE, a.rows - start)
        residual = array_at(a.logits, real, start, count)
        _cells(real, residual, real(a.smallest), real(a.cells_per_decade), np.int32(a.cells), cell)
        if a.weight:
            weight = array_at(a.weight, real, start, count)
            for j in range(count):
                counts[np.uint64(cell[j])] += weight[j]
        else:
            for j in range(count):
                counts[np.uint64(cell[j])] += 1.0


@scalar
def _any_refused(a: Any, real: Any) -> Any:
    """Whether a residual or weight might be an error: then nothing may have been changed."""
    refused = 0
    for d in array_at(a.logits, real, 0, a.rows):
        refused += (a.refuse & REFUSE_NONFINITE) != 0 and not abs(d) < np.inf
    if a.weight and a.refuse & REFUSE_WEIGHTS:
        for weight in array_at(a.weight, real, 0, a.rows):
            refused += not weight >= 0
    return refused > 0


@elementwise
def _cells(real: Any, residual: Any, smallest: Any, per_decade: Any, cells: Any, cell: Any) -> None:
    """Cells of log |d|; the one beyond the last where d is not finite."""
    vectorize()
    last = real(cells) - real(1)
    for j in range(residual.size):
        size = abs(residual[j])
        place = _log10((size if size > smallest else smallest) / smallest) * per_decade
        inside = np.int32(place if place < last else last)
        cell[j] = inside if size < real(np.inf) else cells


def _log10(number: Any) -> Any:
    """log10 of a number of at least 1."""
    return math.log10(number)


@overload(_log10)
def _log10_vectorized(number: Any) -> Any:
    if number.bitwidth == 64:

        def library(number: Any) -> Any:
            return math.log10(number)

        return library

    def polynomial(number: Any) -> Any:
        integer = bits(number)
        exponent = np.float32(np.int32(integer >> 23) - np.int32(127))
        mantissa = from_bits(np.int32(np.int32(integer & np.int32(0x7FFFFF)) | np.int32(0x3F800000)))
        part: Any = log1p_unit(mantissa - np.float32(1.0))
        return exponent * np.float32(0.30103) + part * np.float32(0.4342944819)

    return polynomial


@scalar
def _median(estimate: Any, part_below: Any) -> Any:
    """The median's place in cells, -1 where there was no example yet."""
    half = _sum(estimate) * part_below
    if not half > 0:
        return -1.0
    below, cell = 0.0, 0
    while cell < estimate.size - 1 and below + estimate[cell] < half:
        below += estimate[cell]
        cell += 1
    inside = (half - below) / estimate[cell] if estimate[cell] > 0 else 0.0
    return cell + min(max(inside, 0.0), 1.0)


@summing
def _sum(numbers: Any) -> Any:
    vectorize()
    total = 0.0
    for i in range(numbers.size):
        total += numbers[i]
    return total


@scalar
def _move(histogram: Any, fractions: Any, seen: Any, momentum: Any, training: Any, estimate: Any, batch: Any) -> Any:
    """`DensityState.forward`; returns the number of examples."""
    examples = _sum(histogram)
    scale = _inverse(examples)
    present = np.float32(1) if scale > 0 else np.float32(0)
    step = present * np.float32(1 - momentum)
    seen_by_now = seen[0] + step * (present - seen[0])
    correction = _inverse(seen_by_now)
    _move_fractions(histogram, scale, fractions, step, momentum > 0, correction, training, estimate, batch)
    if training:
        seen[0] = seen_by_now
    return examples


@elementwise
def _move_fractions(
    histogram: Any, scale: Any, fractions: Any, step: Any, remembers: Any, correction: Any, training: Any,
    estimate: Any, batch: Any,
) -> None:  # fmt: skip
    vectorize()
    for region in range(fractions.size):
        share = histogram[region] * scale
        share = share if share == share else 0.0
        batch[region] = share
        average = fractions[region] + step * (np.float32(share) - fractions[region])
        estimate[region] = average * correction if remembers else share
        fractions[region] = average if training else fractions[region]


@scalar
def _inverse_density(fractions: Any, bins: Any, out: Any) -> None:
    """`inverse(density_table(fractions, bins))`."""
    regions = fractions.size
    if regions == bins:
        for region in range(regions):
            out[region] = _inverse(fractions[region] * bins)
        return
    half = (regions // bins - 1) // 2
    cumulated = np.zeros(regions + 1)
    for region in range(regions):
        cumulated[region + 1] = cumulated[region] + fractions[region]
    for region in range(regions):
        lower, upper = max(region - half, 0), min(region + half + 1, regions)
        out[region] = _inverse((cumulated[upper] - cumulated[lower]) / (upper - lower) * regions)


@scalar
def _inverse(density: Any) -> Any:
    """1 / density, and 0 where nothing is, or what is no number."""
    inverse = 1.0 / density
    return inverse if inverse < np.inf else 0.0
