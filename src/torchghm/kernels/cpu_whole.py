"""A whole loss on a CPU: both passes and what lies around them, told once to kernels that follow one another.

On a few hundred boxes torch's small operations, checks and views take longer than all kernels. What is computed is what
`torchghm.kernels.ops` and the losses compute otherwise: several ranks, tracing and unreduced losses take that way.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from torchghm.functional.examples import Activation, Examples
from torchghm.kernels.checks import packed
from torchghm.kernels.cpu import FOLLOW, HISTOGRAM, LOSS, run_pass, tell_examples, tell_residual
from torchghm.kernels.cpu_between import (
    AFTER_THE_SUM,
    BEFORE_THE_SUM,
    COUNT_POSITIVES,
    POSITIVES_GIVEN,
    REFUSE_NONFINITE,
    REFUSE_TARGETS,
    REFUSE_WEIGHTS,
    between,
    record_layout,
)
from torchghm.kernels.cpu_call import Arguments, compile_kernel
from torchghm.kernels.cpu_memory import empty_gradient
from torchghm.kernels.cpu_storage import STORAGE
from torchghm.kernels.ops_registered import attach

_TARGETS = (torch.int64, *STORAGE)
_LARGEST = {dtype: torch.finfo(dtype).max for dtype in (torch.float32, torch.float64)}


class Harmonizing(NamedTuple):
    """How a loss harmonizes, and the memory of its density; the options of `HarmonizedLoss`."""

    bins: int
    occupied: bool
    max_weight: float | None
    mean: bool
    leave_out_nonfinite: bool
    refuse_nonfinite: bool
    training: bool
    fractions: Tensor
    seen: Tensor
    momentum: float
    ranks: int
    of_all_ranks: Callable[[Tensor], Tensor]
    """Sums over ``ranks`` ranks, where these are several."""


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
    parts = Record(*torch.split(record.data, record_layout(regions).parts))
    return parts._replace(examples=parts.examples[0], total=parts.total[0])


def classification(
    examples: Examples,
    harmonizing: Harmonizing,
    *,
    activation: Activation,
    ignore_index: int,
    validate: bool,
    positives: Tensor | bool,
) -> tuple[Tensor, Tensor] | None:
    """GHM-C: the loss and its record; None, and nothing changed, where something is refused.

    Arguments:
        examples: as `arrange_examples` returns them.
        validate: whether targets out of range and negative weights are refused.
        positives: what the mean is over, a scalar, of this rank; True to count them in class indices without weights
            (one rank), False for all examples.
    """
    logits, targets, weight = examples
    if not (targets.is_cpu and targets.dtype in _TARGETS and (weight is None or weight.is_cpu)):
        return None
    logits, targets, weight = packed(logits), packed(targets), None if weight is None else packed(weight)
    arguments = tell_examples(logits, targets, weight, activation, ignore_index, harmonizing.leave_out_nonfinite)
    if validate:
        arguments.refuse = REFUSE_TARGETS | (0 if weight is None else REFUSE_WEIGHTS)
    if positives is not False:
        arguments.average = COUNT_POSITIVES if positives is True else POSITIVES_GIVEN
    kernels = (HISTOGRAM[activation, logits.dtype], LOSS[activation, logits.dtype])
    given = None if isinstance(positives, bool) else positives
    options = (activation, ignore_index, harmonizing.leave_out_nonfinite)
    return _run(kernels, arguments, harmonizing, (logits, targets, weight), options, given)


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
    if following is not None:
        arguments.refuse |= REFUSE_NONFINITE if harmonizing.refuse_nonfinite else 0
        fractions, seen, arguments.scale_momentum, arguments.smallest, per_decade, arguments.part_below = following
        cells = fractions.numel()
        sizes = torch.empty(cells + 1, dtype=torch.float64, device="cpu")
        arguments.cells, arguments.cells_per_decade, arguments.sizes = cells, per_decade, sizes.data_ptr()
        arguments.scale_fractions, arguments.scale_seen = fractions.data_ptr(), seen.data_ptr()
        if not _between_ranks(FOLLOW[residual.dtype], arguments, harmonizing, sizes[:cells]):
            return None
    kernels = (HISTOGRAM["residual", residual.dtype], LOSS["residual", residual.dtype])
    options = (arguments.mu, harmonizing.leave_out_nonfinite)
    return _run(kernels, arguments, harmonizing, (residual, weight), options, None)


def _run(
    kernels: tuple[Callable[..., None], Callable[..., None]],
    arguments: Arguments,
    harmonizing: Harmonizing,
    inputs: tuple[Tensor | None, ...],
    options: tuple[Any, ...],
    positives: Tensor | None,
) -> tuple[Tensor, Tensor] | None:
    """Pass 1, the step between, pass 2; ``inputs`` are those of the op, the logits or the residual first."""
    logits = inputs[0]
    assert logits is not None
    regions = harmonizing.fractions.numel()
    arithmetic = torch.promote_types(logits.dtype, torch.float32)
    layout = record_layout(regions)
    record = torch.empty(layout.size, dtype=torch.float64, device="cpu")
    if positives is not None:
        record[-1] = positives
    address = record.data_ptr()
    arguments.regions, arguments.record, arguments.counts = regions, address, address
    arguments.bins, arguments.fractions = harmonizing.bins, harmonizing.fractions.data_ptr()
    arguments.seen, arguments.momentum = harmonizing.seen.data_ptr(), harmonizing.momentum
    arguments.occupied, arguments.mean = harmonizing.occupied, harmonizing.mean
    arguments.max_weight = math.inf if harmonizing.max_weight is None else harmonizing.max_weight
    arguments.largest = _LARGEST[arithmetic]
    if harmonizing.refuse_nonfinite:
        arguments.refuse |= REFUSE_NONFINITE

    run_pass(kernels[0], arguments, record, 0, regions + 3)
    joint = None
    if harmonizing.ranks > 1:
        joint = record[:regions].clone() if positives is None else torch.cat([record[:regions], record[-1:]])
        arguments.counts = joint.data_ptr()
    if not _between_ranks(between, arguments, harmonizing, joint):
        return None
    loss, gradient = torch.empty((), dtype=arithmetic, device="cpu"), empty_gradient(logits)
    arguments.table = address + layout.table * record.element_size()
    arguments.loss, arguments.gradient = loss.data_ptr(), gradient.data_ptr()
    run_pass(kernels[1], arguments, record, layout.sums, 4)
    if arguments.chunks != 1:
        loss.copy_(record[layout.sums + 3])
    table = slice(layout.table, layout.sums)
    return attach((*inputs, record, *options), loss, gradient, table), record


def _between_ranks(
    function: Callable[..., None], arguments: Arguments, harmonizing: Harmonizing, counts: Tensor | None
) -> bool:
    """Run a kernel, where there are several ranks with the sum of ``counts`` over them in between.

    Returns:
        False, and nothing was changed or sent, where something is refused.
    """
    kernel, address = compile_kernel(function), ctypes.addressof(arguments)
    arguments.training, arguments.ranks = harmonizing.training, harmonizing.ranks
    if harmonizing.ranks == 1 or counts is None:
        kernel.call(address)
        return not arguments.refused
    arguments.stage = BEFORE_THE_SUM
    kernel.call(address)
    if arguments.refused:
        return False
    counts.copy_(harmonizing.of_all_ranks(counts))
    arguments.stage = AFTER_THE_SUM
    kernel.call(address)
    return True
