"""The step between the passes on a CPU, as a kernel: on a few boxes torch's small operations take longer than these.

It does what `DensityState`, `weight_table` and `positive_weight` do, which run everywhere else.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.simd.annotations import Number, Numbers, Option
from torchghm.kernels.cpu.simd.compiling import elementwise, part_of_caller, scalar, summing, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at

COUNT_POSITIVES, POSITIVES_GIVEN = 1, 2
"""Where the number of positives comes from, if it is wanted."""
_BY_POSITIVES, _BY_OCCUPIED = 1, 2
REFERENCES = {"regions": 0, "positives": _BY_POSITIVES, "occupied": _BY_OCCUPIED}
"""Codes of what the examples of a region are measured against."""
REFUSE_TARGETS, REFUSE_NONFINITE = 1, 2
"""Bits of what is an error."""


class RecordLayout(NamedTuple):
    """Places in a record, float64, as the density step reads and writes it."""

    parts: list[int]
    """Lengths of the histogram with pass 1's counts; positives; fractions; those of the batch; beta; table; pass 2's
    sums; examples; what the mean is over."""
    table: slice
    sums: int
    """Where the table lies, and where pass 2's sums start."""
    size: int


class Average(NamedTuple):
    """The fractions of examples, averaged over iterations as `DensityState` does."""

    fractions: Numbers
    """float32 [regions]."""
    seen: Numbers
    """float32 [1]."""
    momentum: Number


class Move(NamedTuple):
    """How a batch moves an average over iterations."""

    scale: Number
    """1 / examples, 0 for none."""
    step: Number
    """How far towards the batch."""
    correction: Number
    """1 / what has been seen."""
    remembers: bool
    """Whether there is a momentum."""
    training: bool
    """Whether the average is stored."""


@functools.cache
def record_layout(regions: int) -> RecordLayout:
    """Layout for so many regions."""
    parts = [regions + 2, 1, regions, regions, regions, regions, 4, 1, 1]
    return RecordLayout(parts, slice(sum(parts[:5]), sum(parts[:6])), sum(parts[:6]), sum(parts))


@part_of_caller
def set_table(a: Arguments, following: Option) -> None:
    """From the histogram to the table: move the averages over iterations, and weigh the regions."""
    regions, first = a.regions, a.regions + 3
    histogram = array_at(a.record, np.float64, 0, first)
    if _refused(a, histogram, regions):
        a.refused = 1
        return
    if following is not None:  # the distribution of |d| that ``mu="auto"`` follows, now that nothing is refused
        counts = array_at(a.residual_histogram, np.float64, 0, a.cells)
        move_average(counts, residual_average(a), a.training != 0, np.empty(a.cells), np.empty(a.cells))
    estimate = array_at(a.record, np.float64, first, regions)
    batch = array_at(a.record, np.float64, first + regions, regions)
    beta = array_at(a.record, np.float64, first + 2 * regions, regions)
    table = array_at(a.record, np.float64, first + 3 * regions, regions)
    examples_and_total = array_at(a.record, np.float64, first + 4 * regions + 4, 2)
    fractions, seen = array_at(a.fractions, np.float32, 0, regions), array_at(a.seen, np.float32, 0, 1)
    seen_before, training = seen[0], a.training != 0
    examples = move_average(histogram[:regions], Average(fractions, seen, a.momentum), training, estimate, batch)
    positives = histogram[regions + 2] if a.positives == COUNT_POSITIVES else a.given_positives
    inverse_density(estimate, a.bins, beta)
    factor = 1.0
    if a.reference == _BY_OCCUPIED:
        inverse_density(batch, a.bins, table)  # as scratch
        factor = inverse(_product(batch, table))
    elif a.reference == _BY_POSITIVES:
        average = array_at(a.positive_fraction, np.float32, 0, 1)
        factor = a.examples_per_positive * a.bins
        factor *= positive_fraction(positives, examples, average, seen_before, a.momentum, training)
    total = positives if a.mean_over_positives else examples
    examples_and_total[0], examples_and_total[1] = examples, total
    part = inverse(max(total, 1.0 if a.mean_over_positives else 0.0)) if a.mean else 1.0
    _weigh(beta, factor, a.max_weight, part, a.largest, table)


@scalar
def residual_average(a: Arguments) -> Average:
    """The averaged distribution of log |d|, of `ResidualScale`."""
    fractions, seen = array_at(a.scale_fractions, np.float32, 0, a.cells), array_at(a.scale_seen, np.float32, 0, 1)
    return Average(fractions, seen, a.scale_momentum)


@scalar
def positive_fraction(
    positives: Number, examples: Number, average: Numbers, seen_before: Number, momentum: Number, training: bool
) -> Number:
    """The averaged fraction of positives, at least 1 / N, as in `DensityState.look`; moves ``average``."""
    scale = inverse(examples)
    own = positives * scale
    own = own if abs(own) < np.inf else 0.0
    present = np.float32(1) if scale > 0 else np.float32(0)
    step = present * np.float32(1 - momentum)
    moved = average[0] + step * (np.float32(own) - average[0])
    seen = seen_before + step * (present - seen_before)
    if training:
        average[0] = moved
    return max(moved * inverse(seen) if momentum > 0 else own, scale)


@summing
def _product(some: Numbers, others: Numbers) -> Number:
    """The sum of the products of two arrays' numbers."""
    vectorize()
    total = 0.0
    for i in range(some.size):
        total += some[i] * others[i]
    return total


@elementwise
def _weigh(beta: Numbers, factor: Number, max_weight: Number, part: Number, largest: Number, table: Numbers) -> None:
    """Scale and cap beta, and write what pass 2 multiplies by."""
    vectorize()
    for region in range(beta.size):
        weight = beta[region] * factor
        beta[region] = max_weight if weight > max_weight else weight
        share = beta[region] * part
        table[region] = largest if share > largest else share


@scalar
def _refused(a: Arguments, histogram: Numbers, regions: Number) -> Number:
    """Whether pass 1 found what is an error; nothing has been changed by then."""
    if a.refuse & REFUSE_TARGETS and histogram[regions + 1] > 0:
        return True
    return a.refuse & REFUSE_NONFINITE and histogram[regions] > 0


@summing
def add_up(numbers: Numbers) -> Number:
    """The sum of an array, in vectors."""
    vectorize()
    total = 0.0
    for i in range(numbers.size):
        total += numbers[i]
    return total


@scalar
def move_average(histogram: Numbers, average: Average, training: bool, estimate: Numbers, batch: Numbers) -> Number:
    """Take in a histogram as `DensityState.look` does, and store the averages in training; returns the examples."""
    examples = add_up(histogram)
    scale = inverse(examples)
    present = np.float32(1) if scale > 0 else np.float32(0)
    step = present * np.float32(1 - average.momentum)
    seen = average.seen[0] + step * (present - average.seen[0])
    move = Move(scale, step, inverse(seen), average.momentum > 0, training)
    _move_fractions(histogram, average.fractions, move, estimate, batch)
    if training:
        average.seen[0] = seen
    return examples


@elementwise
def _move_fractions(histogram: Numbers, fractions: Numbers, move: Move, estimate: Numbers, batch: Numbers) -> None:
    vectorize()
    for region in range(fractions.size):
        share = histogram[region] * move.scale
        share = share if share == share else 0.0
        batch[region] = share
        average = fractions[region] + move.step * (np.float32(share) - fractions[region])
        estimate[region] = average * move.correction if move.remembers else share
        fractions[region] = average if move.training else fractions[region]


@scalar
def inverse_density(fractions: Numbers, bins: Number, out: Numbers) -> None:
    """1 / the density of every region: `torchghm.functional.density.density_table`, inverted."""
    regions = fractions.size
    cumulated = np.empty(regions + 1)
    if regions == bins:
        cumulated[:] = 0.0
        _inverse_means(fractions, cumulated, 1.0 / bins, out)
        return
    half = (regions // bins - 1) // 2
    below = 0.0
    for region in range(regions):
        cumulated[region] = below
        below += fractions[region]
    cumulated[regions] = below
    for region in range(half):
        width = region + half + 1
        out[region] = inverse(cumulated[width] / width * regions)
        out[regions - 1 - region] = inverse((below - cumulated[regions - width]) / width * regions)
    width = 2 * half + 1
    _inverse_means(cumulated[width:], cumulated, width / regions, out[half : regions - half])


@elementwise
def _inverse_means(upper: Numbers, lower: Numbers, width: Number, out: Numbers) -> None:
    """width / (upper - lower), and 0 where nothing lies between, or what is no number."""
    vectorize()
    for k in range(out.size):
        result = width / (upper[k] - lower[k])
        out[k] = result if result < np.inf else 0.0


@scalar
def inverse(density: Number) -> Number:
    """1 / density, and 0 where nothing is, or what is no number."""
    result = 1.0 / density
    return result if result < np.inf else 0.0
