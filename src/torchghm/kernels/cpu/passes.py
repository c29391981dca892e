"""The two passes on a CPU, by Numba kernels. Their meaning is that of `torchghm.kernels.ops`."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from torchghm.functional.examples import Activation, compute_dtype
from torchghm.kernels.checks import check_examples, check_residual, check_table
from torchghm.kernels.cpu.entry_points import Kind, density_step, median, passes_for
from torchghm.kernels.cpu.gradient_memory import empty_gradient
from torchghm.kernels.cpu.kernel import Arguments, compile_kernels
from torchghm.kernels.cpu.launch import kernel_sequence, run
from torchghm.kernels.cpu.simd.loads_and_stores import STORAGE, TILE
from torchghm.kernels.cpu.threads import chunking


def classification_histogram(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    regions: int,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> Tensor:
    """Pass 1 of GHM-C: [regions + 2] float64."""
    logits, targets, weight = check_examples(logits, targets, weight, activation)
    arguments = logit_arguments(logits, targets, weight, activation, ignore_index, leave_out_nonfinite)
    return _histogram(activation, arguments, logits, regions)


def classification_loss_and_gradient(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    table: Tensor,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Pass 2 of GHM-C: the loss, the sums [3], and the loss's gradient by the logits."""
    logits, targets, weight = check_examples(logits, targets, weight, activation)
    arguments = logit_arguments(logits, targets, weight, activation, ignore_index, leave_out_nonfinite)
    return _loss(activation, arguments, logits, table)


def regression_histogram(
    residual: Tensor, weight: Tensor | None, regions: int, mu: float, leave_out_nonfinite: bool
) -> Tensor:
    """Pass 1 of GHM-R: [regions + 2] float64."""
    residual, weight = check_residual(residual, weight)
    arguments = residual_arguments(residual, weight, mu, leave_out_nonfinite)
    return _histogram("residual", arguments, residual, regions)


def regression_loss_and_gradient(
    residual: Tensor, weight: Tensor | None, table: Tensor, mu: float, leave_out_nonfinite: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Pass 2 of GHM-R: the loss, the sums [3], and the loss's gradient by the residual."""
    residual, weight = check_residual(residual, weight)
    arguments = residual_arguments(residual, weight, mu, leave_out_nonfinite)
    return _loss("residual", arguments, residual, table)


def compile_ahead(dtypes: tuple[torch.dtype, ...] = (torch.float32,), regions: int = 30) -> None:
    """Compile the kernels now, and keep them on disk, instead of at the first call.

    Arguments:
        dtypes: of the arithmetic: ``torch.float32`` (also for bfloat16 and float16) and ``torch.float64``.
        regions: that [0, 1] is divided into: `bins`, times `resolution` where there is one.
    """
    kinds: tuple[Kind, ...] = ("sigmoid", "softmax", "residual")
    functions: list[Callable[..., None]] = [kernel_sequence, density_step(True, False), density_step(True, True)]
    for dtype in dtypes:
        functions.append(median(dtype is torch.float64))
        for kind, soft, weight in itertools.product(kinds, (-1, 0), (0, 1)):
            functions += passes_for(kind, dtype, Arguments(target_storage=soft, weight=weight, regions=regions))
    compile_kernels(dict.fromkeys(functions))


def logit_arguments(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> Arguments:
    """Say to both passes where the examples lie; the tensors must be contiguous, and outlive it."""
    rows, columns = logits.shape
    arguments = Arguments(
        logits=logits.data_ptr(),
        storage=STORAGE[logits.dtype],
        rows=rows,
        columns=columns,
        targets=targets.data_ptr(),
        target_storage=STORAGE.get(targets.dtype, -1),
        ignore_index=ignore_index,
        leave_out_nonfinite=leave_out_nonfinite,
    )
    if weight is not None:
        arguments.weight, arguments.row_weight = weight.data_ptr(), weight.dim() == 1
    if activation == "softmax":
        arguments.chunks, arguments.chunk_size = chunking(rows if columns else 0, max(columns, 1), 1)
    else:
        arguments.chunks, arguments.chunk_size = chunking(rows * columns, 1, TILE)
    return arguments


def residual_arguments(residual: Tensor, weight: Tensor | None, mu: float, leave_out_nonfinite: bool) -> Arguments:
    """Say to both passes of GHM-R where the residuals lie; the tensors must be contiguous, and outlive it."""
    chunks, chunk_size = chunking(residual.numel(), 1, TILE)
    return Arguments(
        chunks=chunks,
        chunk_size=chunk_size,
        logits=residual.data_ptr(),
        storage=STORAGE[residual.dtype],
        rows=residual.numel(),
        columns=1,
        weight=0 if weight is None else weight.data_ptr(),
        mu=mu,
        leave_out_nonfinite=leave_out_nonfinite,
    )


def _histogram(kind: Kind, arguments: Arguments, inputs: Tensor, regions: int) -> Tensor:
    sums = torch.empty(regions + 2, dtype=torch.float64, device="cpu")
    arguments.regions, arguments.width, arguments.pass_1_sums = regions, regions + 2, sums.data_ptr()
    run(arguments, pass_1=passes_for(kind, inputs.dtype, arguments).histogram)
    return sums


def _loss(kind: Kind, arguments: Arguments, inputs: Tensor, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    table = check_table(table, inputs).to(torch.float64)
    loss = torch.empty((), dtype=compute_dtype(inputs), device="cpu")
    sums = torch.empty(4, dtype=torch.float64, device="cpu")
    gradient = empty_gradient(inputs)
    arguments.regions, arguments.table = table.numel(), table.data_ptr()
    arguments.loss, arguments.gradient, arguments.pass_2_sums = loss.data_ptr(), gradient.data_ptr(), sums.data_ptr()
    run(arguments, pass_2=passes_for(kind, inputs.dtype, arguments).loss)
    return loss, sums[:3], gradient
