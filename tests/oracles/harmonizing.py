"""Gradient norm, density, weight and loss, one example at a time, as the paper writes them."""

from __future__ import annotations

import math


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def sigmoid_cross_entropy(x: float, target: float) -> tuple[float, float, float]:
    """Loss, its derivative and the gradient norm of one logit."""
    loss = max(x, 0) - x * target + math.log1p(math.exp(-abs(x)))
    derivative = sigmoid(x) - target
    return loss, derivative, abs(derivative)


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    exponentials = [math.exp(x - top) for x in row]
    return [value / sum(exponentials) for value in exponentials]


def softmax_cross_entropy(row: list[float], target: list[float]) -> tuple[float, list[float], float]:
    """Loss, its derivatives and the gradient norm (half the L1 norm) of one row."""
    probabilities = softmax(row)
    top = max(row)
    log_sum = top + math.log(sum(math.exp(x - top) for x in row))
    loss = sum(t * (log_sum - x) for x, t in zip(row, target, strict=True))
    derivative = [p - t for p, t in zip(probabilities, target, strict=True)]
    return loss, derivative, sum(abs(d) for d in derivative) / 2


def asl1(residual: float, mu: float) -> tuple[float, float, float]:
    """Loss, its derivative and the gradient norm of one residual."""
    root = math.hypot(residual, mu)
    return root - mu, residual / root, abs(residual) / root


def region(gradient_norm: float, bins: int) -> int:
    for index in range(bins):
        if index / bins <= gradient_norm < (index + 1) / bins:
            return index
    return bins - 1  # g = 1


def region_density(norms: list[float], weights: list[float], bins: int) -> list[float]:
    """Equation 7: R_ind(g) / e, e = 1 / bins."""
    counts = [0.0] * bins
    for norm, weight in zip(norms, weights, strict=True):
        counts[region(norm, bins)] += weight
    return [counts[region(norm, bins)] * bins for norm in norms]


def window_density(norms: list[float], weights: list[float], bins: int) -> list[float]:
    """Equations 3 to 5: the examples in [g - e/2, g + e/2), over the window's valid length."""
    epsilon = 1 / bins
    densities = []
    for norm in norms:
        count = sum(
            weight
            for other, weight in zip(norms, weights, strict=True)
            if norm - epsilon / 2 <= other < norm + epsilon / 2
        )
        length = min(norm + epsilon / 2, 1.0) - max(norm - epsilon / 2, 0.0)
        densities.append(count / length)
    return densities


def harmonizing_weights(
    norms: list[float],
    weights: list[float],
    bins: int,
    density: str = "regions",
    normalize: str = "occupied",
    max_weight: float | None = None,
    positives: float = 0.0,
) -> list[float]:
    """Equation 6: N / GD; "occupied" scales so that the sum over examples is N; "positives" puts 10 M n_pos for N."""
    total = sum(weights)
    densities = (region_density if density == "regions" else window_density)(norms, weights, bins)
    betas = [total / value if value > 0 else 0.0 for value in densities]
    if normalize == "occupied":
        scale = sum(beta * weight for beta, weight in zip(betas, weights, strict=True))
        betas = [beta * total / scale if scale > 0 else 0.0 for beta in betas]
    elif normalize == "positives":
        betas = [beta / total * 10 * bins * max(positives, 1.0) for beta in betas]
    return betas if max_weight is None else [min(beta, max_weight) for beta in betas]


def mean_harmonized(
    losses: list[float], norms: list[float], weights: list[float], **options: object
) -> tuple[float, list[float]]:
    """(1/N) sum w beta L, and w beta / N of every example."""
    total = sum(weights)
    if total == 0:
        return 0.0, [0.0] * len(losses)
    betas = harmonizing_weights(norms, weights, **options)  # type: ignore[arg-type]
    factors = [beta * weight / total for beta, weight in zip(betas, weights, strict=True)]
    return sum(factor * loss for factor, loss in zip(factors, losses, strict=True)), factors
