"""The two passes as Triton kernels, for GPUs: memory is read twice and the gradient written once.

Neither pass waits for the device or allocates anything as long as the input but the gradient, and all sums but one are
the same in every run: weights beyond the 31st region are added to the histogram in any order, in float64. Contiguous
inputs are read where they are, others are copied first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.examples import Activation, compute_dtype
from torchghm.kernels.checks import check_examples, check_residual, check_table
from torchghm.kernels.triton.residual import residual_histogram, residual_loss
from torchghm.kernels.triton.sigmoid import sigmoid_histogram, sigmoid_loss
from torchghm.kernels.triton.softmax import softmax_histogram, softmax_loss


def classification_histogram(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    regions: int,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> Tensor:
    """Pass 1 of GHM-C.

    Arguments:
        logits: [R, K], float16, bfloat16, float32 or float64; arithmetic is at least float32.
        targets: [R] int64 (class index, -1 for background, ``ignore_index``), or [R, K] floating.
        weight: None, [R], or with sigmoid [R, K].
        regions: regions of [0, 1], at least 1.
        activation: ``"sigmoid"`` or ``"softmax"``.
        ignore_index: the integer target of rows that are left out.
        leave_out_nonfinite: whether non-finite examples are in no region; NaN never is.

    Returns:
        [regions + 2] float64: the histogram, the number of valid examples whose logits are not finite, and the number
        of targets that are out of range.
    """
    check_number("regions", regions, "at least 1", ok=lambda value: value >= 1)
    logits, targets, weight = check_examples(logits, targets, weight, activation)
    if logits.numel() == 0:
        return logits.new_zeros(regions + 2, dtype=torch.float64)
    launch = sigmoid_histogram if activation == "sigmoid" else softmax_histogram
    return launch(logits, targets, weight, regions, ignore_index=ignore_index, leave_out_nonfinite=leave_out_nonfinite)


def classification_loss_and_gradient(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    table: Tensor,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Pass 2 of GHM-C: sum of table[region(g_i)] w_i L_CE(i), and its gradient.

    Arguments:
        table: [regions], what each region's examples are multiplied by.
        logits, targets, weight, activation, ignore_index, leave_out_nonfinite: as in `classification_histogram`.

    Returns:
        The loss, float32 (float64 for float64 logits); the sums [3] float64 of w L, of |gradient| (softmax: of
        table * w * g) and of its part that belongs to positives (softmax: 0); the gradient, contiguous, shaped like
        ``logits`` and of their dtype.
    """
    logits, targets, weight = check_examples(logits, targets, weight, activation)
    table = check_table(table, logits).to(compute_dtype(logits))
    if logits.numel() == 0:
        return _nothing(logits)
    launch = sigmoid_loss if activation == "sigmoid" else softmax_loss
    sums, gradient = launch(
        logits, targets, weight, table, ignore_index=ignore_index, leave_out_nonfinite=leave_out_nonfinite
    )
    return sums[0].to(table.dtype, copy=True), sums[1:], gradient


def regression_histogram(
    residual: Tensor, weight: Tensor | None, regions: int, mu: float, leave_out_nonfinite: bool
) -> Tensor:
    """Pass 1 of GHM-R; returns as `classification_histogram`, the last number being 0.

    Arguments:
        residual: d of any shape, any floating dtype; arithmetic is at least float32.
        weight: None or shaped like ``residual``.
        regions: regions of [0, 1], at least 1.
        mu: the parameter of ASL1, above 0.
        leave_out_nonfinite: whether infinite residuals are in no region; NaN never is.
    """
    check_number("regions", regions, "at least 1", ok=lambda value: value >= 1)
    residual, weight = check_residual(residual, weight)
    if residual.numel() == 0:
        return residual.new_zeros(regions + 2, dtype=torch.float64)
    return residual_histogram(residual, weight, regions, mu=mu, leave_out_nonfinite=leave_out_nonfinite)


def regression_loss_and_gradient(
    residual: Tensor, weight: Tensor | None, table: Tensor, mu: float, leave_out_nonfinite: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Pass 2 of GHM-R: sum of table[region(g_i)] w_i ASL1(d_i), and its gradient.

    Arguments:
        table: [regions], what each region's examples are multiplied by.
        residual, weight, mu, leave_out_nonfinite: as in `regression_histogram`.

    Returns:
        As `classification_loss_and_gradient`; the last sum is 0.
    """
    residual, weight = check_residual(residual, weight)
    table = check_table(table, residual).to(compute_dtype(residual))
    if residual.numel() == 0:
        return _nothing(residual)
    sums, gradient = residual_loss(residual, weight, table, mu=mu, leave_out_nonfinite=leave_out_nonfinite)
    return sums[0].to(table.dtype, copy=True), sums[1:], gradient


def _nothing(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    sums = inputs.new_zeros(3, dtype=torch.float64)
    return inputs.new_zeros((), dtype=torch.promote_types(inputs.dtype, torch.float32)), sums, torch.empty_like(inputs)
