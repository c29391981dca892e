"""A step in one call on a CPU: kernels that are told everything once and follow one another.

On a few hundred boxes torch's small operations, checks and views take longer than all kernels. What is computed is what
`torchghm.losses.two_pass` computes; a sum over ranks, which takes longer than both, is left to that.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor

from torchghm.functional.examples import compute_dtype
from torchghm.functional.weights import EXAMPLES_PER_POSITIVE
from torchghm.kernels.autograd import attach
from torchghm.kernels.checks import packed
from torchghm.kernels.cpu.density_step import (
    COUNT_POSITIVES,
    POSITIVES_GIVEN,
    REFERENCES,
    REFUSE_NONFINITE,
    REFUSE_TARGETS,
    record_layout,
)
from torchghm.kernels.cpu.entry_points import Kind, density_step, median, passes_for
from torchghm.kernels.cpu.gradient_memory import empty_gradient
from torchghm.kernels.cpu.kernel import Arguments
from torchghm.kernels.cpu.launch import run
from torchghm.kernels.cpu.passes import logit_arguments, residual_arguments
from torchghm.kernels.cpu.simd.loads_and_stores import STORAGE
from torchghm.losses.state.density_state import DensityEstimate, DensityState
from torchghm.losses.state.residual_scale import CELLS_PER_DECADE, HALF, SMALLEST, ResidualScale
from torchghm.losses.step import (
    Batch,
    HarmonizingOptions,
    LogitBatch,
    Memory,
    Observation,
    ResidualBatch,
    StepRecord,
    find_refusal,
)

_TARGETS = (torch.int64, *STORAGE)
_CPU = torch.device("cpu")
_LARGEST = {dtype: torch.finfo(dtype).max for dtype in (torch.float32, torch.float64)}


class PackedObservation(NamedTuple):
    """Numbers that the kernels wrote: nine views of it take as long as a pass, so they are made when somebody looks."""

    numbers: Tensor
    regions: int

    def unpack(self) -> Observation:
        """Return views of the parts."""
        # Not the views of the tensor itself: the table in it is saved for backward, and who changes them may do so.
        layout = record_layout(self.regions)
        parts = torch.split(self.numbers.data[: layout.size], layout.parts)
        histogram, _, fractions, batch_fractions, beta, _, sums, examples, total = parts
        estimate = DensityEstimate(fractions, batch_fractions, examples[0])
        return Observation(estimate, beta, sums[:3], histogram, total[0])


class _Launch(NamedTuple):
    """Arguments of the kernels for a batch."""

    arguments: Arguments
    inputs: tuple[Tensor | None, ...]
    """Contiguous; the first is what the loss is differentiated by. They outlive the call."""
    kind: Kind


def fits(batch: Batch, memory: Memory) -> bool:
    """Whether the step can run: no sum over ranks, all tensors on the CPU, and averages that a kernel may write to."""
    density, scale = memory
    if density.training and density.ranks > 1:
        return False
    if not (_is_addressable(density) and (scale is None or _is_addressable(scale.state))):
        return False
    if isinstance(batch, LogitBatch):
        targets = batch.examples.targets
        if not (targets.is_cpu and targets.dtype in _TARGETS):
            return False
    return batch.weight is None or batch.weight.is_cpu


def fused(batch: Batch, options: HarmonizingOptions, memory: Memory) -> StepRecord:
    """Count gradient norms, weigh the regions and all examples in a single call.

    Arguments:
        batch, memory: such that `fits`.
        options: how the examples are harmonized; the reduction is not ``"none"``.

    Returns:
        The loss and what the step saw, or the error.
    """
    launch = (
        _prepare_logits(batch, options)
        if isinstance(batch, LogitBatch)
        else _prepare_residual(batch, options, memory.residual_scale)
    )
    arguments, regions = launch.arguments, memory.density.regions
    layout, arithmetic = record_layout(regions), compute_dtype(batch.inputs)
    numbers = torch.empty(layout.size + arguments.cells + 1, dtype=torch.float64, device=_CPU)
    loss, gradient = torch.empty((), dtype=arithmetic, device=_CPU), empty_gradient(batch.inputs)
    address = numbers.data_ptr()
    arguments.record = arguments.pass_1_sums = address
    arguments.table, arguments.pass_2_sums = address + 8 * layout.table.start, address + 8 * layout.sums
    arguments.residual_histogram = address + 8 * layout.size
    arguments.loss, arguments.gradient = loss.data_ptr(), gradient.data_ptr()
    arguments.regions, arguments.width, arguments.largest = regions, regions + 3, _LARGEST[arithmetic]
    _set_options(arguments, options, memory.density)
    pass_1, pass_2 = passes_for(launch.kind, batch.inputs.dtype, arguments)
    following, double = arguments.cells > 0, arithmetic is torch.float64
    set_mu = median(double) if following else None
    if not run(arguments, median=set_mu, pass_1=pass_1, density_step=density_step(True, following), pass_2=pass_2):
        return StepRecord(None, None, find_refusal(numbers[: regions + 2], batch, options))
    kind = (batch.activation, batch.ignore_index) if isinstance(batch, LogitBatch) else (arguments.mu,)
    inputs = (*launch.inputs, numbers, *kind, options.leave_out_nonfinite)
    return StepRecord(attach(inputs, loss, gradient, layout.table), PackedObservation(numbers, regions))


def _prepare_logits(batch: LogitBatch, options: HarmonizingOptions) -> _Launch:
    logits, targets, weight = batch.examples
    logits, targets, weight = packed(logits), packed(targets), None if weight is None else packed(weight)
    leave_out = options.leave_out_nonfinite
    arguments = logit_arguments(logits, targets, weight, batch.activation, batch.ignore_index, leave_out)
    if options.validate is not False:
        arguments.refuse = REFUSE_TARGETS
    if batch.counts_positives(options):
        arguments.mean_over_positives = options.average == "positives"
        if weight is None and not leave_out and not targets.is_floating_point():
            arguments.positives = COUNT_POSITIVES
        else:
            given = batch.positives(options)
            assert given is not None
            arguments.positives, arguments.given_positives = POSITIVES_GIVEN, float(given)
    return _Launch(arguments, (logits, targets, weight), batch.activation)


def _prepare_residual(batch: ResidualBatch, options: HarmonizingOptions, scale: ResidualScale | None) -> _Launch:
    residual, weight = packed(batch.inputs), None if batch.weight is None else packed(batch.weight)
    arguments = residual_arguments(residual, weight, batch.mu, options.leave_out_nonfinite)
    if scale is not None:
        state = scale.state
        arguments.cells, arguments.cells_per_decade = state.regions, CELLS_PER_DECADE
        arguments.smallest, arguments.part_below = SMALLEST, HALF
        arguments.scale_fractions, arguments.scale_seen = _address(state, "fractions"), _address(state, "seen")
        arguments.scale_momentum = state.momentum
    return _Launch(arguments, (residual, weight), "residual")


def _set_options(arguments: Arguments, options: HarmonizingOptions, state: DensityState) -> None:
    """Options of the step, and addresses of the averages over iterations."""
    arguments.bins, arguments.reference = options.bins, REFERENCES[options.normalize]
    arguments.max_weight = math.inf if options.max_weight is None else options.max_weight
    arguments.mean = options.reduction == "mean"
    if options.nonfinite == "raise":
        arguments.refuse |= REFUSE_NONFINITE
    arguments.fractions, arguments.seen = _address(state, "fractions"), _address(state, "seen")
    if state.counts_positives:
        arguments.positive_fraction = _address(state, "positives")
        arguments.examples_per_positive = EXAMPLES_PER_POSITIVE
    arguments.momentum, arguments.training = state.momentum, state.training


def _is_addressable(state: DensityState) -> bool:
    """Whether a kernel that is told addresses may move the buffers: float32, side by side, on a CPU.

    It may, unless others were assigned: by ``load_state_dict(assign=True)``, say.
    """
    buffers = state._buffers
    return (
        _is_packed_float32(buffers["fractions"], state.regions)
        and _is_packed_float32(buffers["seen"], 1)
        and (not state.counts_positives or _is_packed_float32(buffers["positives"], 1))
    )


def _address(state: DensityState, name: str) -> int:
    """Address of a buffer; to get it as an attribute of the module takes ten times as long."""
    return cast(Tensor, state._buffers[name]).data_ptr()


def _is_packed_float32(buffer: Tensor | None, numbers: int) -> bool:
    return (
        type(buffer) is Tensor
        and buffer.dtype is torch.float32
        and buffer.is_cpu
        and buffer.numel() == numbers
        and buffer.is_contiguous()
    )
