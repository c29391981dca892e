"""Who carries the gradient of the classification: by unit region, and by positives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from torchghm.functional.examples import Density, Normalize
from torchghm.report.figures.classification import MAX_WEIGHT
from torchghm.report.figures.palette import LOSS_LABELS, axes_for, color, log_axis, style_axes
from torchghm.report.gradient_table import (
    all_counts,
    cell_centres,
    effective_examples,
    focal_gradient_norm,
    harmonizing_weights,
    region_counts,
)
from torchghm.results.arrays import Array


@dataclass(frozen=True)
class GradientShare:
    """Who carries a loss's gradient: the share of each unit region, of the positives, and how many examples share it.

    Arguments:
        regions: share of the sum of |gradient| by unit region, [bins], summing to 1.
        positives: share carried by the positives, in [0, 1].
        effective: effective number of examples, see `gradient_table.effective_examples`.
    """

    regions: Array
    positives: float
    effective: float


def gradient_shares(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    bins: int = 30,
    max_weight: float | None = MAX_WEIGHT,
    normalize: Normalize = "positives",
    density: Density = "regions",
    gamma: float = 2.0,
    alpha: float = 0.25,
) -> dict[str, GradientShare]:
    """Return the shares of the total |gradient| by region and by positives.

    Arguments:
        positive: counts of positive examples over equal cells of g in [0, 1], [n].
        negative: the same of negative examples.
        bins: number of unit regions.
        max_weight, normalize, density: options of GHM-C, as in `torchghm.GHMCLoss`.
        gamma: focusing parameter of the focal loss.
        alpha: weight of the positives in the focal loss, the negatives have `1 - alpha`.

    Returns:
        Shares by the name of the loss: `ce`, `focal`, `ghmc` and `ghmc_published`.

    Raises:
        ValueError: counts that are negative, of unlike numbers, or of no example; ``bins`` below 1.

    Examples:
        >>> shares = gradient_shares([0, 4], [96, 0], bins=2)
        >>> float(shares["ce"].positives), float(shares["ghmc_published"].positives)
        (0.1111111111111111, 0.75)
    """
    counts = all_counts(positive, negative)
    pos, neg = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    g = cell_centres(counts.size)
    focal = focal_gradient_norm(g, gamma)
    ghmc = harmonizing_weights(counts, bins, max_weight, normalize, density, pos.sum()) * g
    published = harmonizing_weights(counts, bins) * g
    shares = {}
    for name, of_positive, of_negative in (
        ("ce", g, g),
        ("focal", alpha * focal, (1 - alpha) * focal),
        ("ghmc", ghmc, ghmc),
        ("ghmc_published", published, published),
    ):
        carried = pos * of_positive + neg * of_negative
        total = carried.sum()
        shares[name] = GradientShare(
            regions=region_counts(carried, bins) / total,
            positives=float(pos @ of_positive / total),
            effective=effective_examples(np.concatenate([of_positive, of_negative]), np.concatenate([pos, neg])),
        )
    return shares


def plot_gradient_share(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    bins: int = 30,
    max_weight: float | None = MAX_WEIGHT,
    normalize: Normalize = "positives",
    density: Density = "regions",
    gamma: float = 2.0,
    alpha: float = 0.25,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw which share of a loss's total |gradient| each unit region carries, beside its share of the examples.

    Lines: share of the gradient for CE, focal and GHM-C, each summing to 1 over the regions; in the legend the part
    that positives carry. Grey: share of the examples. Both logarithmic: a line above the grey carries more than its
    examples' part. The published GHM-C's line is nearly level, its share is proportional to the mean g of the region,
    however few examples are in it; with the cap a region that is no crowd keeps its examples' part.

    Arguments:
        positive: counts of positive examples over equal cells of g in [0, 1], [n].
        negative: the same of negative examples.
        bins: number of unit regions.
        max_weight, normalize, density: options of GHM-C, as in `torchghm.GHMCLoss`.
        gamma: focusing parameter of the focal loss.
        alpha: weight of the positives in the focal loss.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if there is no example, or counts are malformed.

    Source: GHM paper, section 3.3; the shares are ours.

    Examples:
        >>> fig, ax = plot_gradient_share([0] * 9 + [5], [90] + [1] * 9, bins=10)
        >>> ax.get_ylabel()
        'share (log)'
    """
    shares = gradient_shares(
        positive,
        negative,
        bins=bins,
        max_weight=max_weight,
        normalize=normalize,
        density=density,
        gamma=gamma,
        alpha=alpha,
    )
    of_examples = region_counts(all_counts(positive, negative), bins)
    of_examples = of_examples / of_examples.sum()
    fig, ax = axes_for(ax)
    edges = np.linspace(0, 1, bins + 1)
    # Ten times below the sparsest region's share of the examples, which must be seen to be small.
    floor = of_examples[of_examples > 0].min() / 10
    ax.stairs(of_examples, edges, baseline=floor, fill=True, color=color("crowd"), label="examples")
    for name, share in shares.items():
        ax.stairs(
            np.where(share.regions > 0, share.regions, np.nan),
            edges,
            baseline=None,
            color=color(name),
            label=f"{LOSS_LABELS[name]} ({share.positives:.0%})",
            linestyle="--" if name == "ce" else "-",
            linewidth=2.0,
        )
    ax.set(xlim=(0, 1), ylim=(floor, floor**-0.35))  # above 1 is room for the legend
    log_axis(ax)
    ax.set_yticks([tick for tick in ax.get_yticks() if floor <= tick <= 1])
    ax.legend(loc="upper center", ncols=2, title="in brackets: the positives' part")
    style_axes(ax, "gradient norm g of the cross entropy", "share (log)")
    return fig, ax
