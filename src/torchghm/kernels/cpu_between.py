"""Between the passes on a CPU, in one call: torch's small operations take longer than both passes do on a few boxes.

Their meaning is that of `DensityState`, `weight_table` and `ResidualScale`, which run everywhere else.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from torchghm.kernels.cpu_call import compiled


class Between(NamedTuple):
    """What pass 2 needs, and what the diagnostics show; [regions] float64 each, but the sum."""

    fractions: Tensor
    batch_fractions: Tensor
    beta: Tensor
    table: Tensor
    examples: Tensor
    """Sum of the histogram, a scalar."""


def between_passes(
    histogram: Tensor,
    fractions: Tensor,
    seen: Tensor,
    *,
    momentum: float,
    training: bool,
    bins: int,
    occupied: bool,
    max_weight: float | None,
    total: Tensor | None,
    mean: bool,
    ranks: int,
    largest: float,
) -> Between:
    """Move the averages over iterations, and return the weights of the regions.

    Arguments:
        histogram: [regions or more] float64; what follows the regions is not read.
        fractions, seen: the buffers of `DensityState`, float32; moved in place while ``training``.
        momentum: of the average.
        training: whether the batch is stored.
        bins: M, the number of unit regions.
        occupied: whether beta is divided by the occupied share of [0, 1].
        max_weight: cap of beta.
        total: what the mean is over, a scalar float64; None for the examples.
        mean: whether the table has the division by that in it.
        ranks: processes whose gradients are averaged.
        largest: of the numbers that pass 2 computes with.
    """
    out = np.empty((4, fractions.numel()))
    examples = torch.empty((), dtype=torch.float64)
    examples_out = examples.numpy()
    _between(
        histogram.numpy(), fractions.numpy(), seen.numpy(), momentum, training, bins, occupied,
        math.inf if max_weight is None else max_weight,
        examples_out if total is None else total.numpy(),
        total is not None, mean, ranks, largest, out, examples_out,
    )  # fmt: skip
    rows = torch.from_numpy(out).unbind()
    return Between(rows[0], rows[1], rows[2], rows[3], examples)


def count_positives(targets: Tensor, classes: int, ignore_index: int) -> Tensor:
    """`positive_weight` of class indices [R] int64 without weights: a scalar float64."""
    count = torch.empty((), dtype=torch.float64)
    _count_positives(targets.numpy(), classes, ignore_index, count.numpy())
    return count


def count_residuals(
    residual: Tensor, weight: Tensor | None, cells: int, smallest: float, cells_per_decade: int
) -> Tensor:
    """Histogram of log |d| (`ResidualScale`): [cells] float64.

    Arguments:
        residual: d, [n], float32 or float64.
        weight: None or [n], of the same dtype.
        cells: the last one also holds what lies beyond.
        smallest: |d| that the first cell begins at.
        cells_per_decade: of |d|.
    """
    values = residual.numpy()
    histogram = np.zeros(cells)
    _count_residuals(values, values[:0] if weight is None else weight.numpy(), smallest, cells_per_decade, histogram)
    return torch.from_numpy(histogram)


def move_and_read_median(
    histogram: Tensor, fractions: Tensor, seen: Tensor, *, momentum: float, training: bool, part_below: float
) -> float:
    """Move the averages over iterations, and return the median's place in cells; -1 where there was no example yet.

    Arguments:
        histogram, fractions, seen, momentum, training: as of `between_passes`.
        part_below: of the distribution that lies below the median.
    """
    arrays = (histogram.numpy(), fractions.numpy(), seen.numpy())
    return float(_move_and_read_median(*arrays, momentum, training, part_below))


def compile_between(dtypes: tuple[torch.dtype, ...]) -> None:
    """Compile everything here now.

    Arguments:
        dtypes: of the residuals.
    """
    fractions, seen = torch.zeros(1), torch.zeros(())
    state = {"momentum": 0.0, "training": False}
    counts = torch.zeros(1, dtype=torch.float64)
    options = {"bins": 1, "occupied": True, "max_weight": None, "mean": True, "ranks": 1, "largest": math.inf}
    between_passes(counts, fractions, seen, total=None, **state, **options)  # type: ignore[arg-type]
    count_positives(torch.zeros(0, dtype=torch.int64), 1, -1)
    for dtype in dtypes:
        count_residuals(torch.zeros(0, dtype=dtype), None, 1, 1.0, 1)
    move_and_read_median(counts, fractions, seen, part_below=0.5, **state)  # type: ignore[arg-type]


@compiled
def _between(
    histogram: Any,
    fractions: Any,
    seen: Any,
    momentum: Any,
    training: Any,
    bins: Any,
    occupied: Any,
    max_weight: Any,
    total: Any,
    has_total: Any,
    mean: Any,
    ranks: Any,
    largest: Any,
    out: Any,
    examples: Any,
) -> None:
    regions = fractions.size
    estimate, batch, beta, table = out[0], out[1], out[2], out[3]
    examples[()] = _move(histogram[:regions], fractions, seen, momentum, training, estimate, batch)
    _inverse_density(estimate, bins, beta)
    if occupied:
        _inverse_density(batch, bins, table)  # as scratch
        share = 0.0
        for region in range(regions):
            share += batch[region] * table[region]
        factor = _inverse(share)
        for region in range(regions):
            beta[region] *= factor
    part = 1.0
    if mean:
        part = _inverse((max(total[()], 1.0) if has_total else examples[()]) / ranks)
    for region in range(regions):
        beta[region] = min(beta[region], max_weight)
        table[region] = min(beta[region] * part, largest)


@compiled
def _count_positives(targets: Any, classes: Any, ignore_index: Any, count: Any) -> None:
    positives = 0
    for label in targets:
        positives += (label >= 0) & (label < classes) & (label != ignore_index)
    count[()] = positives


@compiled
def _count_residuals(residual: Any, weight: Any, smallest: Any, cells_per_decade: Any, histogram: Any) -> None:
    for i in range(residual.size):
        distance = abs(residual[i])
        if distance < np.inf:
            cell = int(np.log10(max(distance, smallest) / smallest) * cells_per_decade)
            histogram[min(cell, histogram.size - 1)] += weight[i] if weight.size else 1.0


@compiled
def _move_and_read_median(
    histogram: Any, fractions: Any, seen: Any, momentum: Any, training: Any, part_below: Any
) -> Any:
    cells = fractions.size
    estimate, batch = np.empty(cells), np.empty(cells)
    _move(histogram, fractions, seen, momentum, training, estimate, batch)
    half = 0.0
    for cell in range(cells):
        half += estimate[cell]
    half *= part_below
    if not half > 0:
        return -1.0
    below, cell = 0.0, 0
    while cell < cells - 1 and below + estimate[cell] < half:
        below += estimate[cell]
        cell += 1
    inside = (half - below) / estimate[cell] if estimate[cell] > 0 else 0.0
    return cell + min(max(inside, 0.0), 1.0)


@compiled
def _move(histogram: Any, fractions: Any, seen: Any, momentum: Any, training: Any, estimate: Any, batch: Any) -> Any:
    """`DensityState.forward`; returns the number of examples."""
    examples = 0.0
    for region in range(fractions.size):
        examples += histogram[region]
    scale = _inverse(examples)
    present = np.float32(1) if scale > 0 else np.float32(0)
    step = present * np.float32(1 - momentum)
    seen_by_now = seen[()] + step * (present - seen[()])
    correction = _inverse(seen_by_now)
    for region in range(fractions.size):
        share = histogram[region] * scale
        batch[region] = share if share == share else 0.0
        average = fractions[region] + step * (np.float32(batch[region]) - fractions[region])
        estimate[region] = average * correction if momentum > 0 else batch[region]
        if training:
            fractions[region] = average
    if training:
        seen[()] = seen_by_now
    return examples


@compiled
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


@compiled
def _inverse(density: Any) -> Any:
    """1 / density, and 0 where nothing is, or what is no number."""
    inverse = 1.0 / density
    return inverse if inverse < np.inf else 0.0
