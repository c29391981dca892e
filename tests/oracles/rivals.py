"""The rivals' losses one number at a time, in float64, as their papers write them; autograd gives the gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

OfLogit = Callable[[Tensor, float, int], Tensor]
"""(a logit, its target in [0, 1], its class) -> its loss."""
OfRow = Callable[[Tensor, Sequence[float]], Tensor]
"""(logits [K], their targets) -> the loss of the row."""


def log_sigmoid(x: Tensor) -> Tensor:
    return -torch.log1p((-x).exp()) if x > 0 else x - torch.log1p(x.exp())


def sigmoid(x: Tensor) -> Tensor:
    return log_sigmoid(x).exp()


def softmax(row: Tensor) -> list[Tensor]:
    exponentials = [(x - row.max()).exp() for x in row]
    total = sum(exponentials)
    return [value / total for value in exponentials]


def binary_cross_entropy(x: Tensor, t: float) -> Tensor:
    return -t * log_sigmoid(x) - (1 - t) * log_sigmoid(-x)


def categorical_cross_entropy(row: Tensor, t: Sequence[float]) -> Tensor:
    return -sum(target * p.log() for target, p in zip(t, softmax(row), strict=True))


def asymmetric(gamma_negative: float, gamma_positive: float, margin: float) -> OfLogit:
    def loss(x: Tensor, t: float, _: int) -> Tensor:
        p = sigmoid(x)
        shifted = p - margin if p > margin else 0 * p
        of_positive = -((1 - p) ** gamma_positive) * p.log()
        of_negative = -(shifted**gamma_negative) * (1 - shifted).log()
        return t * of_positive + (1 - t) * of_negative

    return loss


def alpha_of(alpha: float | None, t: float) -> float:
    return 1.0 if alpha is None else alpha * t + (1 - alpha) * (1 - t)


def poly1_focal(epsilon: float, alpha: float | None, gamma: float) -> OfLogit:
    def loss(x: Tensor, t: float, _: int) -> Tensor:
        p_t = sigmoid(x) * t + sigmoid(-x) * (1 - t)
        focal = (1 - p_t) ** gamma * binary_cross_entropy(x, t)
        return alpha_of(alpha, t) * (focal + epsilon * (1 - p_t) ** (gamma + 1))

    return loss


def poly1_focal_softmax(epsilon: float, alpha: float | None, gamma: float) -> OfRow:
    def loss(row: Tensor, t: Sequence[float]) -> Tensor:
        entropy = categorical_cross_entropy(row, t)
        p_t = (-entropy).exp()
        value = (1 - p_t) ** gamma * entropy + epsilon * (1 - p_t) ** (gamma + 1)
        return value if alpha is None else alpha * value

    return loss


def clipped_log(value: float, least: float) -> float:
    return max(torch.tensor(value, dtype=torch.float64).log().item(), least)


def symmetric(alpha: float, beta: float, log_of_zero: float) -> OfLogit:
    def loss(x: Tensor, t: float, _: int) -> Tensor:
        reverse = -sigmoid(x) * clipped_log(t, log_of_zero) - sigmoid(-x) * clipped_log(1 - t, log_of_zero)
        return alpha * binary_cross_entropy(x, t) + beta * reverse

    return loss


def symmetric_softmax(alpha: float, beta: float, log_of_zero: float) -> OfRow:
    def loss(row: Tensor, t: Sequence[float]) -> Tensor:
        reverse = -sum(p * clipped_log(target, log_of_zero) for p, target in zip(softmax(row), t, strict=True))
        return alpha * categorical_cross_entropy(row, t) + beta * reverse

    return loss


def generalized(q: float) -> OfLogit:
    return lambda x, t, _: t * (1 - sigmoid(x) ** q) / q + (1 - t) * (1 - sigmoid(-x) ** q) / q


def generalized_softmax(q: float) -> OfRow:
    return lambda row, t: sum(target * (1 - p**q) / q for p, target in zip(softmax(row), t, strict=True))


def quality_focal(beta: float) -> OfLogit:
    return lambda x, t, _: (sigmoid(x) - t).abs() ** beta * binary_cross_entropy(x, t)


def equalization(gradients: Sequence[tuple[float, float]], gamma: float, mu: float, alpha: float) -> OfLogit:
    """``gradients``: what the positives and the negatives of each class have had."""

    def loss(x: Tensor, t: float, column: int) -> Tensor:
        of_positives, of_negatives = gradients[column]
        exponent = torch.tensor(-gamma * (of_positives / of_negatives - mu), dtype=torch.float64)
        negative = 1 / (1 + exponent.exp())
        return ((1 + alpha * (1 - negative)) * t + negative * (1 - t)) * binary_cross_entropy(x, t)

    return loss


def logit_adjustment(priors: Sequence[float], tau: float) -> OfRow:
    logs = torch.tensor(priors, dtype=torch.float64).log()
    return lambda row, t: categorical_cross_entropy(row + tau * logs, t)


def dynamic_fine_tuning() -> OfRow:
    return lambda row, t: -sum(target * p.item() * p.log() for p, target in zip(softmax(row), t, strict=True))


def value_and_gradient(
    loss: OfLogit | OfRow,
    logits: Tensor,
    targets: Sequence[Sequence[float] | None],
    weight: Sequence[float],
    *,
    rows: bool,
    mean_over: str = "examples",
) -> tuple[Tensor, Tensor]:
    """Weighed mean of the loss, and its gradient [R, K].

    Arguments:
        loss: of a logit, or with ``rows`` of a row.
        logits: [R, K].
        targets: p* of every row's logits; None for a row that is no example.
        weight: of every row.
        rows: whether a row is one example.
        mean_over: what the sum is divided by: "examples" (the sum of w), "positives" (that of w p*, at least 1) or
            "objects" (of w where p* is above 0, at least 1).
    """
    x = logits.detach().double().requires_grad_()
    total, positives, value = 0.0, 0.0, 0 * x.sum()
    for row, t, w in zip(x, targets, weight, strict=True):
        if t is None:
            continue
        if rows:
            value = value + w * loss(row, t)  # type: ignore[call-arg, arg-type]
            total += w
            continue
        for column, target in enumerate(t):
            value = value + w * loss(row[column], target, column)  # type: ignore[call-arg, arg-type]
            total += w
            positives += w * (target > 0 if mean_over == "objects" else target)
    divisor = total if rows or mean_over == "examples" else max(positives, 1.0)
    value = value / (divisor or 1.0)
    value.backward()
    return value.detach(), x.grad
