"""What to expect of GHM on a data set, from what a dry pass counted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from torchghm.functional.weights import weight_table
from torchghm.training.dry_pass import Sight
from torchghm.training.losses import PUBLISHED_BOX, PUBLISHED_CLS

BINS = int(PUBLISHED_CLS["bins"])
MU = float(PUBLISHED_BOX["mu"])
SATURATED = 0.9
"""Gradient norm of a box coordinate from which on GHM-R can't tell it from an outlier: the last of ten regions."""

# What the advice goes by. The beds that it was held against: docs/when-it-helps.md.
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
    """What a density would be measured on.

    Attributes:
        examples: a batch.
        positives: a batch.
        occupied: unit regions of 30 that hold an example, a batch.
        quieted: part of the examples that lie in a crowd, a region whose weight is below 1.
        density_error: relative error of the density that one batch gives, in the middling occupied region.
        positive_share: part of the summed |gradient| that positives carry, by loss.
        residual: median |d| of the box coordinates; NaN where there are none.
        saturated: part of them with a gradient norm above 0.9 at the published mu.
    """

    examples: float
    positives: float
    occupied: float
    quieted: float
    density_error: float
    positive_share: dict[str, float]
    residual: float
    saturated: float


def facts_of(sight: Sight) -> Facts:
    """Return the facts that advice is made of.

    Raises:
        ValueError: no example was seen.
    """
    positive, negative = _by_region(sight.positive), _by_region(sight.negative)
    counts = positive + negative
    total = counts.sum()
    if total == 0:
        raise ValueError("expected batches with at least one example, got none")
    fractions = counts / counts.sum(1, keepdim=True)
    seen = counts.sum(0) > 0
    error = (fractions.std(0) / fractions.mean(0))[seen]
    joint = counts.sum(0) / total
    capped = weight_table(joint, joint, bins=BINS, max_weight=1.0)
    published = weight_table(joint, joint, bins=BINS)
    norm = (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS
    focal = norm**2 * (norm - 2 * (1 - norm) * torch.log1p(-norm))
    weights = {
        "CE": (norm, norm),
        "focal": (0.25 * focal, 0.75 * focal),
        "GHM-C": (capped * norm, capped * norm),
        "GHM-C as published": (published * norm, published * norm),
    }
    batches = len(counts)
    residual = sight.residual
    return Facts(
        examples=float(total) / batches,
        positives=float(positive.sum()) / batches,
        occupied=float((counts > 0).sum(1).double().mean()),
        quieted=float(joint[seen & (capped < 1)].sum()),
        density_error=float(error.median()),
        positive_share={name: _share(positive.sum(0), negative.sum(0), *pair) for name, pair in weights.items()},
        residual=float(residual.median()) if len(residual) else math.nan,
        saturated=float((residual / torch.hypot(residual, torch.tensor(MU)) > SATURATED).double().mean())
        if len(residual)
        else math.nan,
    )


def advice_of(facts: Facts) -> list[str]:
    """Return what follows from the facts, a sentence each."""
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
            f"{facts.positive_share['GHM-C']:.0%} of the gradient, where cross entropy gives them "
            f"{facts.positive_share['CE']:.0%}: worth a comparison (torchghm compare --preset small_data)."
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


def _by_region(counts: Tensor) -> Tensor:
    """[batches, BINS] of counts in finer cells."""
    cells = counts.shape[1]
    region = ((torch.arange(cells) + 0.5) / cells * BINS).long()
    return counts.new_zeros(len(counts), BINS).index_add_(1, region, counts)


def _share(positive: Tensor, negative: Tensor, of_positive: Tensor, of_negative: Tensor) -> float:
    carried = float(positive @ of_positive)
    return carried / max(carried + float(negative @ of_negative), 1e-30)


def _one_digit(value: float) -> float:
    """Rounded to its first significant digit."""
    return float(f"{value:.0e}")
