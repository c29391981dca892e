"""Advice on GHM for a data set, from counts of gradient norms batch by batch and box residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from torchghm.report.figures.classification import MAX_WEIGHT
from torchghm.report.figures.shares import gradient_shares
from torchghm.report.gradient_table import harmonizing_weights, region_counts, residual_of
from torchghm.results.arrays import Array

BINS, MU = 30, 0.02
"""Published: unit regions of GHM-C, and GHM-R's parameter."""
SATURATED = 0.9
"""Gradient norm of a box coordinate from which on GHM-R can't tell it from an outlier: the last of ten regions."""

# What the advice goes by. The data sets that it was checked on: docs/when-it-helps.md.
FEW_NEGATIVES = 30.0
"""Examples a positive below which there is no crowd of easy negatives to quiet."""
FEW_POSITIVES = 16.0
"""Positives a batch below which every mean over them is noise."""
ROUGH_DENSITY = 0.1
"""Relative error of one batch's density in a middling region from which on the published settings lagged."""
SILENCED = 0.5
"""Part of the box coordinates that mu may leave in the last region."""


@dataclass(frozen=True)
class Facts:
    """Measurements of a data set that the advice goes by.

    Arguments:
        examples: a batch.
        positives: a batch.
        occupied: unit regions of 30 that hold an example, a batch.
        quieted: part of the examples that lie in a crowd, a region whose weight is below 1.
        density_error: relative error of the density that one batch gives, in the middling occupied region.
        positive_share: part of the summed |gradient| that positives carry, by loss as in `gradient_shares`.
        residual: median |d| of the box coordinates; nan where there are none.
        saturated: part of them with a gradient norm above 0.9 at the published mu; nan likewise.
    """

    examples: float
    positives: float
    occupied: float
    quieted: float
    density_error: float
    positive_share: dict[str, float]
    residual: float
    saturated: float


def facts_of(positive: Array, negative: Array, residual: Array) -> Facts:
    """Measure the counts of a data set.

    Arguments:
        positive: counts of positive examples over equal cells of g in [0, 1], a row a batch, [batches, n].
        negative: counts of negative examples, likewise.
        residual: |d| of box coordinates, [coordinates].

    Raises:
        ValueError: if there is no example.
    """
    shares = gradient_shares(positive.sum(0), negative.sum(0), bins=BINS)
    by_region = np.stack([region_counts(batch, BINS) for batch in positive + negative])
    seen = by_region.sum(0) > 0
    fractions = (by_region / by_region.sum(1, keepdims=True))[:, seen]
    total = (positive + negative).sum(0)
    crowded = harmonizing_weights(total, BINS, MAX_WEIGHT, "positives", positives=float(positive.sum())) < 1
    return Facts(
        examples=float(total.sum()) / len(positive),
        positives=float(positive.sum()) / len(positive),
        occupied=float((by_region > 0).sum(1).mean()),
        quieted=float(total[crowded].sum() / total.sum()),
        density_error=float(np.median(fractions.std(0, ddof=1) / fractions.mean(0))),
        positive_share={name: share.positives for name, share in shares.items()},
        residual=float(np.median(residual)) if residual.size else math.nan,
        saturated=float((residual > residual_of(np.array(SATURATED), MU)).mean()) if residual.size else math.nan,
    )


def advice_of(facts: Facts) -> list[str]:
    """Return advice from the facts, a sentence each."""
    advice = []
    per_positive = facts.examples / max(facts.positives, 1e-9)
    if per_positive < FEW_NEGATIVES:
        advice.append(
            f"1 example in {per_positive:.0f} is positive: there is no crowd of easy negatives to quiet. Expect what "
            "cross entropy gives."
        )
    else:
        advice.append(
            f"GHM-C (loss.cls=ghmc) would quiet {facts.quieted:.1%} of the examples and give positives "
            f"{facts.positive_share['ghmc']:.0%} of the gradient, where cross entropy gives them "
            f"{facts.positive_share['ce']:.0%}: worth a comparison (torchghm compare --preset small_data)."
        )
    if facts.density_error > ROUGH_DENSITY:
        advice.append(
            f"GHM-C as published (ghmc_published) is not for these batches: the density of one is off by "
            f"{facts.density_error:.0%} in a middling region, and without a cap the sparsest regions weigh most."
        )
    if facts.positives < FEW_POSITIVES:
        advice.append(
            f"A batch has {facts.positives:.0f} positives: a larger one (data.batch_size) steadies every loss."
        )
    if facts.saturated > SILENCED:
        advice.append(
            f"GHM-R's published mu of {MU:g} takes {facts.saturated:.0%} of the box coordinates for outliers: "
            f"loss.box_options.mu={_one_digit(facts.residual):g} is the median |d| by now; it shrinks with training."
        )
    return advice


def _one_digit(value: float) -> float:
    """Round to the first significant digit."""
    return float(f"{value:.0e}")
