"""The two passes as literal loops: which example is in which region, and what each adds to the loss and the gradient.

A number's place is its index in the flattened logits or residuals.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tests.oracles.harmonizing import asl1, sigmoid, sigmoid_cross_entropy, softmax_cross_entropy


class Example(NamedTuple):
    places: list[int]
    """Places of the logits it depends on: one, or with softmax a row."""
    norm: float
    weight: float
    loss: float
    derivatives: list[float]
    """Derivatives of the loss by those logits."""
    positive: float
    """The part of the gradient norm that belongs to positives."""
    finite: bool


class Histogram(NamedTuple):
    amounts: list[float]
    nonfinite: int
    invalid: int


class Loss(NamedTuple):
    loss: float
    plain: float
    size: float
    positive: float
    gradient: list[float]


def sigmoid_examples(
    logits: list[list[float]], targets: list, weight: list | None, ignore_index: int
) -> tuple[list[Example], int]:
    """Every valid logit, and the number of targets that are out of range."""
    classes = len(logits[0])
    invalid = 0
    examples = []
    for i, row in enumerate(logits):
        hard = not isinstance(targets[i], list)
        if hard:
            if targets[i] == ignore_index:
                continue
            if not -1 <= targets[i] < classes:
                invalid += 1
                continue
        for j, x in enumerate(row):
            target = float(targets[i] == j) if hard else targets[i][j]
            if not hard and not 0 <= target <= 1:
                invalid += 1
            w = 1.0 if weight is None else weight[i][j] if isinstance(weight[i], list) else weight[i]
            if hard:
                s = -x if target else x
                norm, derivative = sigmoid(s), sigmoid(x) - target
                loss = s if s == math.inf or math.isnan(s) else max(s, 0) + math.log1p(math.exp(-abs(s)))
            else:
                loss, derivative, norm = sigmoid_cross_entropy(x, target)
            place = i * classes + j
            examples.append(Example([place], norm, w, loss, [derivative], target * norm, math.isfinite(x)))
    return examples, invalid


def softmax_examples(
    logits: list[list[float]], targets: list, weight: list | None, ignore_index: int
) -> tuple[list[Example], int]:
    """Every valid row, and the number of targets that are out of range."""
    classes = len(logits[0])
    invalid = 0
    examples = []
    for i, row in enumerate(logits):
        target = targets[i]
        if not isinstance(target, list):
            if target == ignore_index:
                continue
            if not 0 <= target < classes:
                invalid += 1
                continue
            target = [float(j == target) for j in range(classes)]
        invalid += sum(not 0 <= t <= 1 for t in target)
        finite = all(math.isfinite(x) for x in row)
        if all(x < math.inf for x in row) and max(row) > -math.inf:  # no NaN; -inf is a probability of 0
            row = [max(x, -1e300) for x in row]
            _, derivatives, norm = softmax_cross_entropy(row, target)
            top = max(row)
            log_sum = math.log(sum(math.exp(x - top) for x in row))
            loss = sum(t * (top - x + log_sum) for x, t in zip(row, target, strict=True))  # 1e30 + log(2) would be 1e30
            total = sum(target)  # 1 for a distribution
            derivatives = [d + (total - 1) * (d + t) for d, t in zip(derivatives, target, strict=True)]
        else:
            loss, derivatives, norm = math.nan, [math.nan] * classes, math.nan
        w = 1.0 if weight is None else weight[i]
        places = [i * classes + j for j in range(classes)]
        examples.append(Example(places, norm, w, loss, derivatives, 0.0, finite))
    return examples, invalid


def residual_examples(residual: list[float], weight: list[float] | None, mu: float) -> tuple[list[Example], int]:
    """Every coordinate."""
    examples = []
    for i, d in enumerate(residual):
        loss, derivative, norm = asl1(d, mu) if math.isfinite(d) else (abs(d), math.copysign(1, d), 1.0)
        if math.isnan(d):
            derivative = norm = math.nan
        w = 1.0 if weight is None else weight[i]
        examples.append(Example([i], norm, w, loss, [derivative], 0.0, math.isfinite(d)))
    return examples, 0


def histogram(examples: list[Example], invalid: int, regions: int, *, leave_out_nonfinite: bool) -> Histogram:
    amounts = [0.0] * regions
    nonfinite = 0
    for example in examples:
        nonfinite += not example.finite
        if math.isnan(example.norm) or (leave_out_nonfinite and not example.finite):
            continue
        amounts[region_of(example.norm, regions)] += example.weight
    return Histogram(amounts, nonfinite, invalid)


def loss_and_gradient(examples: list[Example], table: list[float], numbers: int, *, leave_out_nonfinite: bool) -> Loss:
    loss = plain = size = positive = 0.0
    gradient = [0.0] * numbers
    for example in examples:
        if leave_out_nonfinite and not example.finite:
            continue
        entry = 0.0 if math.isnan(example.norm) else table[region_of(example.norm, len(table))]
        loss += entry * example.weight * example.loss
        plain += example.weight * example.loss
        if not math.isnan(example.norm):
            size += entry * example.weight * example.norm
            positive += entry * example.weight * example.positive
        for place, derivative in zip(example.places, example.derivatives, strict=True):
            gradient[place] += entry * example.weight * derivative
    return Loss(loss, plain, size, positive, gradient)


def region_of(norm: float, regions: int) -> int:
    """Region k is [k / regions, (k + 1) / regions); g = 1, and what rounds to it, is in the last."""
    return min(int(norm * regions), regions - 1)


def near_edge(norm: float, regions: int, tolerance: float) -> bool:
    """Whether rounding could put a gradient norm into the next region."""
    position = norm * regions
    nearest = round(position)
    return 0 < nearest < regions and abs(position - nearest) <= tolerance * regions
