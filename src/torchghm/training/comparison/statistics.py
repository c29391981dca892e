"""Statistics over seeds: mean, spread, and the paired difference to a baseline with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from torchghm.results.difference import Difference


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation (n - 1) over seeds; None where there is none."""

    mean: float | None
    std: float | None


def summarize(values: Sequence[float | None]) -> Summary:
    """Return mean and sample standard deviation of a metric over seeds.

        mean = sum_i x_i / n,    std = sqrt(sum_i (x_i - mean)^2 / (n - 1))

    Arguments:
        values: one number a seed, at least one; None where the metric could not be measured.

    Returns:
        Both are None if any value is None (a mean over fewer seeds would not be comparable with its neighbours);
        ``std`` is None of a single value.

    Raises:
        ValueError: no values, or one that is NaN or infinite.

    Examples:
        >>> summarize([1.0, 2.0, 3.0])
        Summary(mean=2.0, std=1.0)
    """
    _check("values", values)
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return Summary(None, None)
    return Summary(mean(numbers), stdev(numbers) if len(numbers) > 1 else None)


def paired_difference(
    values: Sequence[float | None], baseline: Sequence[float | None], *, confidence: float = 0.95
) -> Difference:
    """Return the mean of the differences to a baseline, seed by seed, with Student's t interval.

        d_i = x_i - b_i,    interval = mean(d) +- t_{(1 + confidence) / 2, n - 1} std(d) / sqrt(n)

    Runs of one seed share initialisation and data order; the difference is free of what these have in common.

    Arguments:
        values: the method's results, one a seed.
        baseline: the baseline's, of the same seeds in the same order.
        confidence: that the interval covers the true mean, in (0, 1), if the differences are normal.

    Returns:
        The difference; ``low`` and ``high`` are None with one seed, all are None if a value is None. Differences that
        are all the same give an interval of zero width.

    Raises:
        ValueError: no values, unlike numbers of them, one that is NaN or infinite, or a confidence out of range.

    Examples:
        >>> difference = paired_difference([0.5, 0.75], [0.25, 0.25])  # t of one degree of freedom is 12.706
        >>> f"{difference.mean:.3f} [{difference.low:.3f}, {difference.high:.3f}] {difference.verdict}"
        '0.375 [-1.213, 1.963] no difference shown'
    """
    _check("values", values)
    _check("baseline", baseline)
    if len(values) != len(baseline):
        raise ValueError(
            f"Expected argument `baseline` to have one number for each of the {len(values)} of `values`, "
            f"but got {len(baseline)}."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"Expected argument `confidence` to be a number in (0, 1), but got {confidence!r}.")
    differences = [x - b for x, b in zip(values, baseline, strict=True) if x is not None and b is not None]
    if len(differences) < len(values):
        return Difference(None, None, None)
    of_differences = summarize(differences)
    if of_differences.mean is None or of_differences.std is None:
        return Difference(of_differences.mean, None, None)
    n = len(differences)
    half_width = _student_quantile((1 + confidence) / 2, n - 1) * of_differences.std / math.sqrt(n)
    return Difference(of_differences.mean, of_differences.mean - half_width, of_differences.mean + half_width)


def _student_quantile(probability: float, degrees_of_freedom: int) -> float:
    from scipy import stats  # a second to import: only for who compares

    return float(stats.t.ppf(probability, degrees_of_freedom))


def _check(name: str, values: Sequence[float | None]) -> None:
    if not values or any(value is not None and not math.isfinite(value) for value in values):
        raise ValueError(
            f"Expected argument `{name}` to be at least one finite number or None, but got {list(values)}."
        )
