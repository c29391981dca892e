"""The gradient norm g: how hard an example is, in [0, 1]. Section 3.1 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.examples import Examples, arrange_examples, compute_dtype, valid_rows


def gradient_norm_sigmoid(inputs: Tensor, targets: Tensor, *, ignore_index: int = -100, class_dim: int = -1) -> Tensor:
    """Return the gradient norm of the sigmoid cross entropy, g = |sigmoid(x) - p*| (section 3.1).

    Arguments:
        inputs: logits x [..., K], any floating dtype.
        targets: floats p* in [0, 1] shaped like ``inputs``, or integers shaped like it less the class axis:
            a class index, -1 for background (no class), ``ignore_index`` for no example.
        ignore_index: the integer target of examples that are left out.
        class_dim: the axis of ``inputs`` that holds the K classes.

    Returns:
        g shaped like ``inputs``, in [0, 1], at least float32; NaN where there is no example.

    Raises:
        ValueError: unlike shapes, or no such axis.
        TypeError: inputs or targets of a dtype that can't be read.

    Examples:
        >>> gradient_norm_sigmoid(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
        tensor([[0.5000, 0.5000]])
    """
    with torch.no_grad():
        examples = arrange_examples(inputs, targets, activation="sigmoid", class_dim=class_dim)
        norm = sigmoid_norm(examples)
        norm = norm.where(valid_rows(examples, ignore_index, activation="sigmoid"), float("nan"))
        moved = inputs.movedim(class_dim, -1).shape
        return norm.reshape(moved).movedim(-1, class_dim)


def gradient_norm_softmax(inputs: Tensor, targets: Tensor, *, ignore_index: int = -100, class_dim: int = -1) -> Tensor:
    """Return the gradient norm of the softmax cross entropy, g = 1 - p_y = |p - onehot(y)|_1 / 2 (not in the paper).

    It is also the largest component of the gradient, and equals the sigmoid form for two classes.

    Arguments:
        inputs: logits [..., K], any floating dtype.
        targets: class indices shaped like ``inputs`` less the class axis, or probabilities shaped like it
            (then g = |p - p*|_1 / 2).
        ignore_index: the integer target of examples that are left out.
        class_dim: the axis of ``inputs`` that holds the K classes.

    Returns:
        g shaped like ``inputs`` less the class axis, in [0, 1], at least float32; NaN where there is no example.

    Raises:
        ValueError: unlike shapes, or no such axis.
        TypeError: inputs or targets of a dtype that can't be read.

    Examples:
        >>> gradient_norm_softmax(torch.zeros(1, 4), torch.tensor([2]))
        tensor([0.7500])
    """
    with torch.no_grad():
        examples = arrange_examples(inputs, targets, activation="softmax", class_dim=class_dim)
        norm = softmax_norm(examples)
        norm = norm.where(valid_rows(examples, ignore_index, activation="softmax"), float("nan"))
        return norm.reshape(inputs.movedim(class_dim, -1).shape[:-1])


def gradient_norm_asl1(residual: Tensor, mu: float = 0.02) -> Tensor:
    """Return the gradient norm of the authentic smooth L1 loss, g = |d| / sqrt(d^2 + mu^2) (equation 12).

    Arguments:
        residual: d = prediction - target of encoded box coordinates, any shape.
        mu: the residual at which g is 0.71, above 0, in the units of ``residual``.

    Returns:
        g shaped like ``residual``, in [0, 1], at least float32; NaN for a NaN residual.

    Examples:
        >>> gradient_norm_asl1(torch.tensor([0.0, 0.02, 1.0]), mu=0.02)
        tensor([0.0000, 0.7071, 0.9998])
    """
    with torch.no_grad():
        distance = residual.detach().to(compute_dtype(residual)).abs()
        # hypot, because d^2 overflows; an infinite residual is as hard as can be.
        norm = distance / torch.hypot(distance, distance.new_tensor(mu))
        return norm.masked_fill(torch.isinf(distance), 1.0)


def signed_logits(examples: Examples) -> Tensor:
    """Return logits [R, K] whose sign says how wrong they are: -x at the labelled class, x elsewhere.

    With them sigmoid cross entropy is softplus(s) and g = sigmoid(s) for every hard target, so that integer
    targets never become a one-hot tensor.
    """
    logits = examples.logits.to(compute_dtype(examples.logits))
    labelled = (examples.targets >= 0) & (examples.targets < logits.shape[1])
    column = examples.targets.where(labelled, 0)[:, None]
    chosen = logits.gather(1, column)
    return logits.scatter(1, column, torch.where(labelled[:, None], -chosen, chosen))


def sigmoid_norm(examples: Examples) -> Tensor:
    """Return |sigmoid(x) - p*| of every logit, [R, K]; ignored rows are not yet left out."""
    if examples.targets.is_floating_point():
        dtype = compute_dtype(examples.logits)
        return (examples.logits.to(dtype).sigmoid() - examples.targets.to(dtype)).abs()
    return signed_logits(examples).sigmoid()


def softmax_norm(examples: Examples) -> Tensor:
    """Return |softmax(x) - p*|_1 / 2 of every row, [R]; ignored rows are not yet left out."""
    logits = examples.logits.to(compute_dtype(examples.logits))
    if examples.targets.is_floating_point():
        return (logits.softmax(1) - examples.targets.to(logits.dtype)).abs().sum(1) / 2
    log_probability = logits.log_softmax(1)
    column = examples.targets.clamp(0, logits.shape[1] - 1)[:, None]
    # 1 - p_y without cancellation where p_y is near 1.
    return -torch.expm1(log_probability.gather(1, column)[:, 0])
