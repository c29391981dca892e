"""The two passes in plain torch: any device, any floating dtype, double backward. The kernels give the same numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.classification import example_weight
from torchghm.functional.cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from torchghm.functional.density import gradient_histogram, region_index
from torchghm.functional.examples import Activation, Examples, blank_invalid, invalid_targets, valid_rows
from torchghm.functional.gradient_norm import gradient_norm_asl1, sigmoid_norm, softmax_norm
from torchghm.functional.gradient_share import positive_gradient
from torchghm.functional.regression import asl1


def classification_histogram(
    examples: Examples, regions: int, *, activation: Activation, ignore_index: int, leave_out_nonfinite: bool
) -> Tensor:
    """Pass 1: see `torchghm.kernels.ops.classification_histogram`."""
    with torch.no_grad():
        valid = valid_rows(examples, ignore_index, activation=activation)
        finite = _finite(examples, activation)
        norm = _gradient_norm(examples, valid & finite if leave_out_nonfinite else valid, activation)
        histogram = gradient_histogram(norm, regions, example_weight(examples, norm))
        invalid = invalid_targets(examples, ignore_index, activation=activation).sum()
        return torch.cat([histogram, torch.stack([(valid & ~finite).sum(), invalid]).to(histogram.dtype)])


def classification_loss(
    examples: Examples, table: Tensor, *, activation: Activation, ignore_index: int, leave_out_nonfinite: bool
) -> tuple[Tensor, Tensor]:
    """Pass 2, differentiable by autograd: see `torchghm.kernels.ops.classification_loss`.

    Returns:
        table[region] * w * L of every example, [R, K] (softmax: [R]), and the sums [3] that the op returns.
    """
    valid = valid_rows(examples, ignore_index, activation=activation)
    finite = _finite(examples, activation)
    if leave_out_nonfinite:
        valid = valid & finite
        finite_logits = examples.logits.detach().isfinite()
        examples = examples._replace(logits=examples.logits.where(finite_logits, 0.0))
    examples = blank_invalid(examples, valid)
    cross_entropy = sigmoid_cross_entropy if activation == "sigmoid" else softmax_cross_entropy
    loss = cross_entropy(examples).where(valid, 0.0)
    with torch.no_grad():
        norm = _gradient_norm(examples, valid, activation)
        amount = example_weight(examples, norm)
        weight = _look_up(table, norm) * amount
        gradient = (weight * norm).nan_to_num()
        positive = gradient.new_zeros(()) if activation == "softmax" else positive_gradient(gradient, examples.targets)
        plain = (amount * loss.detach()).sum()
        sums = torch.stack([plain, gradient.sum(), positive])
    return weight.to(loss.dtype) * loss, sums


def regression_histogram(
    residual: Tensor, weight: Tensor | None, regions: int, *, mu: float, leave_out_nonfinite: bool
) -> Tensor:
    """Pass 1: see `torchghm.kernels.ops.regression_histogram`."""
    with torch.no_grad():
        norm = gradient_norm_asl1(residual, mu)
        finite = residual.isfinite()
        if leave_out_nonfinite:
            norm = norm.where(finite, float("nan"))
        histogram = gradient_histogram(norm, regions, weight)
        return torch.cat([histogram, torch.stack([(~finite).sum(), (~finite).sum() * 0]).to(histogram.dtype)])


def regression_loss(
    residual: Tensor, weight: Tensor | None, table: Tensor, *, mu: float, leave_out_nonfinite: bool
) -> tuple[Tensor, Tensor]:
    """Pass 2, differentiable by autograd: see `torchghm.kernels.ops.regression_loss`.

    Returns:
        table[region] * w * ASL1 of every coordinate, shaped like ``residual``, and the sums [3] that the op returns.
    """
    finite = residual.detach().isfinite()
    if leave_out_nonfinite:
        residual = residual.where(finite, 0.0)
    loss = asl1(residual, mu)
    with torch.no_grad():
        norm = gradient_norm_asl1(residual, mu)
        amount = torch.ones_like(norm) if weight is None else weight
        if leave_out_nonfinite:
            amount = amount.where(finite, 0.0)
        beta_amount = _look_up(table, norm) * amount
        gradient = (beta_amount * norm).nan_to_num().sum()
        sums = torch.stack([(amount * loss.detach()).sum(), gradient, torch.zeros_like(gradient)])
    return beta_amount.to(loss.dtype) * loss, sums


def _gradient_norm(examples: Examples, valid: Tensor, activation: Activation) -> Tensor:
    norm = sigmoid_norm(examples) if activation == "sigmoid" else softmax_norm(examples)
    return norm.where(valid, float("nan"))


def _finite(examples: Examples, activation: Activation) -> Tensor:
    finite = examples.logits.detach().isfinite()
    return finite if activation == "sigmoid" else finite.all(1)


def _look_up(table: Tensor, norm: Tensor) -> Tensor:
    """The table's entry for every gradient norm; 0 where there is no example."""
    return torch.cat([table, table.new_zeros(1)])[region_index(norm, table.numel())]
