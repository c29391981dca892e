"""A whole loss on a CPU: both passes and what lies around them, told once to kernels that follow one another.

On a few hundred boxes torch's small operations, checks and views take longer than all kernels. What is computed is what
`torchghm.kernels.ops` and the losses compute otherwise: tracing and unreduced losses take that way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from torchghm.functional.examples import Activation, Examples, Normalize, compute_dtype
from torchghm.functional.weights import EXAMPLES_PER_POSITIVE
from torchghm.kernels.autograd import attach
from torchghm.kernels.checks import packed
from torchghm.kernels.cpu.density_step import (
    AFTER_THE_SUM,
    BEFORE_THE_SUM,
    COUNT_POSITIVES,
    POSITIVES_GIVEN,
    REFERENCES,
    REFUSE_NONFINITE,
    REFUSE_TARGETS,
    REFUSE_WEIGHTS,
    between,
    record_layout,
)
from torchghm.kernels.cpu.gradient_memory import empty_gradient
from torchghm.kernels.cpu.launch import Arguments, run
from torchghm.kernels.cpu.passes import FOLLOW, HISTOGRAM, LOSS, tell_examples, tell_residual
from torchghm.kernels.cpu.simd.loads_and_stores import STORAGE

_TARGETS = (torch.int64, *STORAGE)
_CPU = torch.device("cpu")
_LARGEST = {dtype: torch.finfo(dtype).max for dtype in (torch.float32, torch.float64)}


class Harmonizing(NamedTuple):
    """How a loss harmonizes, and the memory of its density; the options of `HarmonizedLoss`."""

    bins: int
    normalize: Normalize
    max_weight: float | None
    mean: bool
    leave_out_nonfinite: bool
    refuse_nonfinite: bool
    training: bool
    fractions: Tensor
    seen: Tensor
    positives: Tensor | None
    """The average of the fraction of positives; None where it is not wanted."""
    momentum: float
    ranks: int
    of_all_ranks: Callable[[Tensor], Tensor]
    """Sums over ``ranks`` ranks, where these are several."""


class Kernels(NamedTuple):
    """What runs, beside `between`."""

    follow: Callable[..., None] | None
    pass_1: Callable[..., None]
    pass_2: Callable[..., None]


class Following(NamedTuple):
    """A mu that follows the residuals, and its memory; of `ResidualScale`."""

    fractions: Tensor
    seen: Tensor
    momentum: float
    smallest: float
    cells_per_decade: int
    part_below: float


class Record(NamedTuple):
    """What comes out beside the loss, for the diagnostics; float64."""

    histogram: Tensor
    """[regions + 2], of pass 1."""
    positives: Tensor
    """[1], where they were counted."""
    fractions: Tensor
    batch_fractions: Tensor
    beta: Tensor
    table: Tensor
    """[regions] each."""
    sums: Tensor
    """[4], of pass 2."""
    examples: Tensor
    total: Tensor
    """What the mean is over; scalars."""


def read_record(record: Tensor, regions: int) -> Record:
    """Views of a record's parts: made when somebody asks, for nine views take as long as a pass."""
    # Not the views of `record` itself: the table in it is saved for backward, and who changes them may do so.
    layout = record_layout(regions)
    parts = Record(*torch.split(record.data[: layout.size], layout.parts))
    return parts._replace(examples=parts.examples[0], total=parts.total[0])


def classification(
    examples: Examples,
    harmonizing: Harmonizing,
    *,
    activation: Activation,
    ignore_index: int,
    validate: bool,
    positives: Tensor | bool,
    mean_over_positives: bool,
) -> tuple[Tensor, Tensor] | None:
    """GHM-C: the loss and its record; None, and nothing changed, where something is refused.

    Arguments:
        examples: as `arrange_examples` returns them.
        validate: whether targets out of range and negative weights are refused.
        positives: their number, a scalar, of this rank; True to count them in class indices without weights (one
            rank), False where nobody needs it.
        mean_over_positives: not over all examples.
    """
    logits, targets, weight = examples
    if not (targets.is_cpu and targets.dtype in _TARGETS and (weight is None or weight.is_cpu)):
        return None
    logits, targets, weight = packed(logits), packed(targets), None if weight is None else packed(weight)
    arguments = tell_examples(logits, targets, weight, activation, ignore_index, harmonizing.leave_out_nonfinite)
    if validate:
        arguments.refuse = REFUSE_TARGETS | (0 if weight is None else REFUSE_WEIGHTS)
    if positives is not False:
        arguments.positives = COUNT_POSITIVES if positives is True else POSITIVES_GIVEN
        arguments.mean_over_positives = mean_over_positives
    kernels = Kernels(None, HISTOGRAM[activation, logits.dtype], LOSS[activation, logits.dtype])
    ran = _run(kernels, arguments, harmonizing, logits, None if isinstance(positives, bool) else positives)
    if ran is None:
        return None
    loss, gradient, record, table = ran
    inputs = (logits, targets, weight, record, activation, ignore_index, harmonizing.leave_out_nonfinite)
    return attach(inputs, loss, gradient, table), record


def regression(
    residual: Tensor, weight: Tensor | None, harmonizing: Harmonizing, *, mu: float, following: Following | None
) -> tuple[Tensor, Tensor] | None:
    """GHM-R: the loss and its record; None, and nothing changed, where something is refused.

    Arguments:
        residual, weight: as `arrange_residual` returns them.
        mu: where it does not follow the residuals.
        following: how it does.
    """
    if not (weight is None or weight.is_cpu):
        return None
    residual, weight = packed(residual), None if weight is None else packed(weight)
    arguments = tell_residual(residual, weight, mu, harmonizing.leave_out_nonfinite)
    if weight is not None:
        arguments.refuse = REFUSE_WEIGHTS
    follow = None
    if following is not None:
        fractions, seen, arguments.scale_momentum, arguments.smallest, per_decade, arguments.part_below = following
        follow = FOLLOW[residual.dtype]
        arguments.cells, arguments.cells_per_decade = fractions.numel(), per_decade
        arguments.scale_fractions, arguments.scale_seen = fractions.data_ptr(), seen.data_ptr()
    kernels = Kernels(follow, HISTOGRAM["residual", residual.dtype], LOSS["residual", residual.dtype])
    ran = _run(kernels, arguments, harmonizing, residual, None)
    if ran is None:
        return None
    loss, gradient, record, table = ran
    return attach(
        (residual, weight, record, arguments.mu, harmonizing.leave_out_nonfinite), loss, gradient, table
    ), record


def _run(
    kernels: Kernels, arguments: Arguments, harmonizing: Harmonizing, inputs: Tensor, positives: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, slice] | None:
    """All steps: the loss, its gradient, the record, and where in that the table is; None where one refused."""
    regions = harmonizing.fractions.numel()
    arithmetic = compute_dtype(inputs)
    layout = record_layout(regions)
    record = torch.empty(layout.size + arguments.cells + 1, dtype=torch.float64, device=_CPU)
    loss, gradient = torch.empty((), dtype=arithmetic, device=_CPU), empty_gradient(inputs)
    if positives is not None:
        record[layout.size - 1] = positives
    address = record.data_ptr()
    arguments.record = arguments.pass_1_sums = arguments.counts = address
    arguments.table, arguments.pass_2_sums = address + 8 * layout.table.start, address + 8 * layout.sums
    arguments.sizes = address + 8 * layout.size
    arguments.loss, arguments.gradient = loss.data_ptr(), gradient.data_ptr()
    arguments.regions, arguments.width, arguments.bins = regions, regions + 3, harmonizing.bins
    arguments.fractions, arguments.seen = harmonizing.fractions.data_ptr(), harmonizing.seen.data_ptr()
    arguments.momentum, arguments.training = harmonizing.momentum, harmonizing.training
    arguments.mean, arguments.ranks = harmonizing.mean, harmonizing.ranks
    arguments.reference = REFERENCES[harmonizing.normalize]
    if harmonizing.positives is not None:
        arguments.positive_fraction = harmonizing.positives.data_ptr()
        arguments.examples_per_positive = EXAMPLES_PER_POSITIVE
    arguments.max_weight = math.inf if harmonizing.max_weight is None else harmonizing.max_weight
    arguments.largest = _LARGEST[arithmetic]
    if harmonizing.refuse_nonfinite:
        arguments.refuse |= REFUSE_NONFINITE
    if harmonizing.ranks == 1:
        ran = run(arguments, follow=kernels.follow, pass_1=kernels.pass_1, between=between, pass_2=kernels.pass_2)
    else:
        ran = _run_on_ranks(kernels, arguments, harmonizing, record, positives is not None)
    return (loss, gradient, record, layout.table) if ran else None


def _run_on_ranks(
    kernels: Kernels, arguments: Arguments, harmonizing: Harmonizing, record: Tensor, positives: bool
) -> bool:
    """The same with sums over ranks in between; nothing was changed or sent where something is refused."""
    size = record_layout(arguments.regions).size
    if kernels.follow is not None:
        arguments.stage = BEFORE_THE_SUM
        if not run(arguments, follow=kernels.follow):
            return False
        sizes = record[size : size + arguments.cells]
        sizes.copy_(harmonizing.of_all_ranks(sizes))
        arguments.stage = AFTER_THE_SUM
        run(arguments, follow=kernels.follow)
    arguments.stage = BEFORE_THE_SUM
    if not run(arguments, pass_1=kernels.pass_1, between=between):
        return False
    counts = record[: arguments.regions]
    counts = torch.cat([counts, record[size - 1 : size]]) if positives else counts.clone()
    counts.copy_(harmonizing.of_all_ranks(counts))
    arguments.counts, arguments.stage = counts.data_ptr(), AFTER_THE_SUM
    return run(arguments, between=between, pass_2=kernels.pass_2)
