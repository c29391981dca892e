"""GHM-C, the harmonized classification loss. Section 3.3 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_harmonizing
from torchghm.functional.cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from torchghm.functional.example_errors import check_weight, nonfinite_error, target_error
from torchghm.functional.examples import (
    Activation,
    Density,
    Examples,
    Nonfinite,
    Normalize,
    Reduction,
    arrange_examples,
    blank_invalid,
    checked_for_free,
    invalid_targets,
    positives,
    valid_rows,
)
from torchghm.functional.gradient_norm import sigmoid_norm, softmax_norm
from torchghm.functional.weights import harmonizing_weights


def ghmc_loss(
    inputs: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    *,
    bins: int = 30,
    activation: Activation = "sigmoid",
    density: Density = "regions",
    normalize: Normalize = "occupied",
    max_weight: float | None = None,
    nonfinite: Nonfinite = "propagate",
    ignore_index: int = -100,
    class_dim: int = -1,
    reduction: Reduction = "mean",
    validate: bool | None = None,
) -> Tensor:
    """Return GHM-C without state: L = (1/N) sum_i beta_i L_CE(i) (equation 9), beta_i = N / (m R_ind(g_i)).

    R_j is the number of examples in region j and m the number of occupied regions, as in the authors' code; the paper's
    beta_i = N / GD(g_i) is ``normalize="regions"``.

    The plain-torch form, every step visible: any device, double backward, ``torch.func``. `torchghm.GHMCLoss` adds the
    average over iterations, the sum over ranks and the fast kernels; `GHMCLoss.published` has these defaults, the class
    itself another reference, a cap and a mean over positives.

    Arguments:
        inputs: logits [..., K], any floating dtype; arithmetic is at least float32.
        targets: integers shaped like ``inputs`` less the class axis (a class index, -1 for background,
            ``ignore_index``), or floats in [0, 1] shaped like ``inputs``.
        weight: None or non-negative numbers shaped like ``inputs`` (sigmoid) or like it less the class axis. They
            count in the density too: weight 2 is the example twice. N is their sum.
        bins: M, the number of unit regions of g, at least 1; with 1 the loss is the mean cross entropy.
        activation: ``"sigmoid"`` (every logit is an example) or ``"softmax"`` (every row is one).
        density: ``"regions"`` or ``"exact"``, see `gradient_density`.
        normalize: ``"occupied"`` (the sum of beta is N), ``"regions"`` (the paper's N / GD) or, with sigmoid,
            ``"positives"`` (beta = c M n_pos / GD: see `torchghm.GHMCLoss`).
        max_weight: cap of beta, None for none.
        nonfinite: NaN and infinite logits ``"propagate"`` into the loss, are left out (``"ignore"``), or ``"raise"``.
        ignore_index: the integer target of rows that are left out.
        class_dim: the axis of ``inputs`` that holds the K classes.
        reduction: ``"mean"`` = sum(w beta L) / N, ``"sum"`` = N times that, ``"none"`` = w beta L unreduced.
        validate: check the values of ``targets`` and ``weight``; None checks on a CPU and does not synchronise a GPU.

    Returns:
        A scalar, or with ``reduction="none"`` the shape of ``inputs`` (softmax: less the class axis); 0 with a graph
        where no example is valid.

    Raises:
        ValueError: unlike shapes, an unknown option, targets out of range, non-finite logits with ``"raise"``.
        TypeError: inputs or targets of a dtype that can't be read.

    Examples:
        >>> logits = torch.tensor([[4.0, -4.0], [-4.0, -3.0]])
        >>> ghmc_loss(logits, torch.tensor([0, -1]), bins=1)  # one region: the mean cross entropy
        tensor(0.0258)
    """
    check_harmonizing(bins, density, normalize, max_weight, nonfinite, reduction)
    check_reference(normalize, activation)
    examples = arrange_examples(inputs, targets, weight, activation=activation, class_dim=class_dim)
    if validate or (validate is None and checked_for_free(inputs)):
        check_targets(examples, ignore_index, activation)
        check_weight(examples.weight)

    valid = valid_rows(examples, ignore_index, activation=activation)
    if nonfinite != "propagate":
        examples, valid = leave_out_nonfinite(examples, valid, nonfinite, activation)

    cross_entropy, norm = (sigmoid_cross_entropy, sigmoid_norm)
    if activation == "softmax":
        cross_entropy, norm = (softmax_cross_entropy, softmax_norm)
    examples = blank_invalid(examples, valid)
    loss = cross_entropy(examples).where(valid, 0.0)
    with torch.no_grad():
        gradient_norm = norm(examples).where(valid, float("nan"))
        amount = example_weight(examples, gradient_norm)
        present = amount.where(~gradient_norm.isnan(), 0.0)
        counted = (present * positives(examples, present)).sum() if normalize == "positives" else None
        beta = harmonizing_weights(
            gradient_norm,
            amount,
            bins=bins,
            density=density,
            normalize=normalize,
            max_weight=max_weight,
            positives=counted,
        )
    loss = (beta * amount).to(loss.dtype) * loss
    if reduction == "none":
        shape = inputs.movedim(class_dim, -1).shape
        return loss.reshape(shape[:-1]) if activation == "softmax" else loss.reshape(shape).movedim(-1, class_dim)
    if reduction == "sum":
        return loss.sum()
    total = present.sum()
    return loss.sum() / total.where(total > 0, 1.0)


def check_reference(normalize: Normalize, activation: Activation) -> None:
    """Refuse positives as a reference where every example is one."""
    if normalize == "positives" and activation == "softmax":
        raise ValueError(
            "Expected argument `normalize` to be one of 'occupied', 'regions' with activation='softmax', where every "
            "row is a positive, but got 'positives'."
        )


def check_targets(examples: Examples, ignore_index: int, activation: Activation) -> None:
    """Raise a ValueError if a target is out of range (synchronises a GPU)."""
    invalid = int(invalid_targets(examples, ignore_index, activation=activation).sum())
    if invalid:
        raise target_error(examples, ignore_index, invalid, activation=activation)


def leave_out_nonfinite(
    examples: Examples, valid: Tensor, nonfinite: Nonfinite, activation: Activation
) -> tuple[Examples, Tensor]:
    """Return the examples, their non-finite logits 0 and no longer valid; with ``"raise"`` raise a ValueError."""
    finite = examples.logits.isfinite()
    finite_examples = finite if activation == "sigmoid" else finite.all(1)
    if nonfinite == "raise":
        count = int((valid & ~finite_examples).sum())
        if count:
            raise nonfinite_error(count)
    return examples._replace(logits=examples.logits.where(finite, 0.0)), valid & finite_examples


def example_weight(examples: Examples, like: Tensor) -> Tensor:
    """Return the weight of every example, shaped like ``like``; 1 where none was given."""
    if examples.weight is None:
        return torch.ones((), dtype=like.dtype, device=like.device).expand(like.shape)
    weight = examples.weight
    return (weight[:, None] if weight.dim() < like.dim() else weight).expand(like.shape)
