"""ASL1 and GHM-R, the harmonized box regression loss. Section 3.4 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_harmonizing, check_number, check_tensors
from torchghm.functional.example_errors import check_weight, nonfinite_error
from torchghm.functional.examples import (
    Density,
    Nonfinite,
    Normalize,
    Reduction,
    as_dtype,
    checked_for_free,
    compute_dtype,
)
from torchghm.functional.gradient_norm import gradient_norm_asl1
from torchghm.functional.weights import harmonizing_weights


def asl1_loss(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    mu: float = 0.02,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the authentic smooth L1 loss, ASL1(d) = sqrt(d^2 + mu^2) - mu, d = inputs - targets (equation 11).

    Arguments:
        inputs: encoded box coordinates, any shape and floating dtype; arithmetic is at least float32.
        targets: shaped like ``inputs``.
        weight: None or non-negative numbers shaped like ``inputs`` or like it less the last axis.
        mu: where the loss turns from quadratic to linear, above 0, in the units of ``inputs``.
        reduction: ``"mean"`` over the sum of the weights, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or with ``reduction="none"`` the shape of ``inputs``.

    Raises:
        ValueError: unlike shapes, an option out of range.
        TypeError: inputs or targets of a dtype that can't be read.

    Examples:
        >>> asl1_loss(torch.tensor([3.0]), torch.tensor([0.0]), mu=4.0)
        tensor(1.)
    """
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    check_number("mu", mu, "a number above 0", ok=lambda value: value > 0)
    residual, amount = weighted_residual(inputs, targets, weight)
    loss = amount * asl1(residual, mu)
    return reduce_weighted(loss, amount.sum(), reduction)


def ghmr_loss(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    mu: float = 0.02,
    bins: int = 10,
    density: Density = "regions",
    normalize: Normalize = "occupied",
    max_weight: float | None = None,
    nonfinite: Nonfinite = "propagate",
    reduction: Reduction = "mean",
) -> Tensor:
    """Return GHM-R without state: L = (1/N) sum_i beta_i ASL1(d_i) (equation 13), beta_i = N / (m R_ind(g_i)).

    R_j is the number of coordinates in region j and m the number of occupied regions, as in the authors' code; the
    paper's beta_i = N / GD(g_i) is ``normalize="regions"``.

    Arguments:
        inputs: encoded box coordinates of positive anchors, any shape and floating dtype.
        targets: shaped like ``inputs``.
        weight: None or non-negative numbers shaped like ``inputs`` or like it less the last axis; they count in the
            density too. N is their sum.
        mu: the residual at which g = |d| / sqrt(d^2 + mu^2) is 0.71, above 0, in the units of ``inputs``.
        bins: M, the number of unit regions of g; with 1 the loss is the mean ASL1.
        density, normalize, max_weight, nonfinite, reduction: as in `ghmc_loss`.

    Returns:
        A scalar, or with ``reduction="none"`` the shape of ``inputs``; 0 with a graph where no example is valid.

    Raises:
        ValueError: unlike shapes, an unknown option, non-finite residuals with ``nonfinite="raise"``.

    Examples:
        >>> ghmr_loss(torch.tensor([[0.3, -0.4]]), torch.zeros(1, 2), bins=1)  # one region: the mean ASL1
        tensor(0.3306)
    """
    check_harmonizing(bins, density, normalize, max_weight, nonfinite, reduction)
    check_choice("normalize", normalize, ("occupied", "regions"))  # every coordinate is a positive's
    check_number("mu", mu, "a number above 0", ok=lambda value: value > 0)
    residual, amount = weighted_residual(inputs, targets, weight)
    if nonfinite != "propagate":
        finite = residual.isfinite()
        if nonfinite == "raise" and not bool(finite.all()):
            raise nonfinite_error(int((~finite).sum()))
        residual, amount = residual.where(finite, 0.0), amount.where(finite, 0.0)
    with torch.no_grad():
        gradient_norm = gradient_norm_asl1(residual, mu)
        beta = harmonizing_weights(
            gradient_norm, amount, bins=bins, density=density, normalize=normalize, max_weight=max_weight
        )
    loss = (beta * amount).to(residual.dtype) * asl1(residual, mu)
    return reduce_weighted(loss, amount.where(~gradient_norm.isnan(), 0.0).sum(), reduction)


def asl1(residual: Tensor, mu: float) -> Tensor:
    """Return sqrt(d^2 + mu^2) - mu of every residual, without overflow of d^2 and without cancellation near 0."""
    finite = residual.isfinite()
    inner = residual.where(finite, 0.0)
    root = torch.hypot(inner, inner.new_tensor(mu))
    return torch.where(finite, inner / (root + mu) * inner, residual.abs())


def arrange_residual(inputs: Tensor, targets: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Check shapes and dtypes; return the residual d, and the weight of every coordinate if there is one."""
    check_tensors(inputs=inputs, targets=targets, weight=weight)
    if not inputs.is_floating_point():
        raise TypeError(f"Expected argument `inputs` to be floating-point, but got {inputs.dtype}.")
    if targets.is_complex():
        raise TypeError(f"Expected argument `targets` to be real, but got {targets.dtype}.")
    if targets.shape != inputs.shape:
        raise ValueError(
            f"Expected argument `targets` to be shaped like `inputs` {list(inputs.shape)}, "
            f"but got {list(targets.shape)}."
        )
    dtype = compute_dtype(inputs)
    residual = as_dtype(inputs, dtype) - as_dtype(targets, dtype)
    if weight is None:
        return residual, None
    weight = weight.detach().to(dtype)
    if checked_for_free(inputs):
        check_weight(weight)
    if weight.shape == inputs.shape:
        return residual, weight
    if inputs.dim() and weight.shape in (inputs.shape[:-1], (*inputs.shape[:-1], 1)):
        return residual, weight.reshape(*inputs.shape[:-1], 1).expand(residual.shape)
    raise ValueError(
        f"Expected argument `weight` to be shaped like `inputs` {list(inputs.shape)} or like it less the last "
        f"axis, but got {list(weight.shape)}."
    )


def weighted_residual(inputs: Tensor, targets: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the residual and its weight, 1 where none was given."""
    residual, amount = arrange_residual(inputs, targets, weight)
    if amount is None:
        amount = torch.ones((), dtype=residual.dtype, device=residual.device).expand(residual.shape)
    return residual, amount


def reduce_weighted(loss: Tensor, total: Tensor, reduction: Reduction) -> Tensor:
    """Reduce a loss that already carries its weights, whose sum is ``total``."""
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / total.where(total > 0, 1.0)
