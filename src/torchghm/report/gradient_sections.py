"""Sections on the trained model's gradients: their distribution, and the re-weighting by each loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypedDict

import numpy as np

from torchghm.functional.examples import Density, Normalize
from torchghm.report import captions
from torchghm.report.figures.classification import (
    MAX_WEIGHT,
    plot_gradient_norm_distribution,
    plot_reweighted_classification,
)
from torchghm.report.figures.palette import LOSS_LABELS
from torchghm.report.figures.regression import plot_regression_losses, plot_reweighted_regression
from torchghm.report.figures.shares import gradient_shares, plot_gradient_share
from torchghm.report.gradient_table import region_counts, residuals_to_gradient_norm
from torchghm.report.inline_svg import inline_svg
from torchghm.report.section import Drawn, Methods, Section, Tile, section, tiles_by_method
from torchghm.results.gradient_norms import GradientNorms
from torchghm.results.run import Run

# The published settings, for runs that have none of their own.
BINS_CLS, BINS_BOX, MU, GAMMA, ALPHA, DELTA = 30, 10, 0.02, 2.0, 0.25, 1 / 9


class _Harmonizing(TypedDict):
    """Options of a harmonized loss, for the figures."""

    bins: int
    max_weight: float | None
    normalize: Normalize
    density: Density


def classification_sections(methods: Methods) -> list[Section | None]:
    """Return the sections on the classification: gradient norms, re-weighted gradients, shares of the gradient."""
    return [
        _section(methods, "norm-cls", captions.NORMS_CLS, _distribution),
        _section(methods, "reweighted-cls", captions.REWEIGHTED_CLS, _reweighted),
        _section(methods, "share", captions.SHARES, _share),
    ]


def regression_sections(methods: Methods) -> list[Section | None]:
    """Return the sections on the boxes: gradient norms, re-weighted gradients, curves of the box losses."""
    norms = [runs[0].norms for runs in methods.values() if runs[0].norms is not None]
    mu = next((of_run.mu for of_run in norms if math.isfinite(of_run.mu)), MU)
    delta = next((of_run.delta for of_run in norms if math.isfinite(of_run.delta)), DELTA)
    fig, _ = plot_regression_losses(mu=mu, delta=delta)
    curves = Tile(inline_svg(fig, captions.REGRESSION_LOSSES[0], "curves"))
    return [
        _section(methods, "norm-box", captions.NORMS_BOX, _residual_distribution),
        _section(methods, "reweighted-box", captions.REWEIGHTED_BOX, _reweighted_residuals),
        section("curves", captions.REGRESSION_LOSSES, ("", [curves])),
    ]


def _section(
    methods: Methods, section_id: str, words: tuple[str, str], draw: Callable[[GradientNorms], Drawn | None]
) -> Section | None:
    """Return a section with a figure of each method's gradient norms, where its run has them."""

    def from_run(run: Run) -> Drawn | None:
        return None if run.norms is None else draw(run.norms)

    return section(section_id, words, ("", tiles_by_method(methods, section_id, words[0], from_run)))


def _distribution(norms: GradientNorms) -> Drawn | None:
    if not (norms.cls_positive + norms.cls_negative).any():
        return None
    groups = {"negatives": norms.cls_negative, "positives": norms.cls_positive}
    return plot_gradient_norm_distribution(groups), ""


def _reweighted(norms: GradientNorms) -> Drawn | None:
    if not (norms.cls_positive + norms.cls_negative).any():
        return None
    options, gamma = _classification_options(norms), _known(norms.focal_gamma, GAMMA)
    return plot_reweighted_classification(norms.cls_positive, norms.cls_negative, gamma=gamma, **options), ""


def _share(norms: GradientNorms) -> Drawn | None:
    """Draw the shares; below the figure the effective number of examples, and the share of the sparsest region."""
    total = norms.cls_positive + norms.cls_negative
    if not total.any():
        return None
    options = _classification_options(norms)
    gamma, alpha = _known(norms.focal_gamma, GAMMA), _known(norms.focal_alpha, ALPHA)
    counts = norms.cls_positive, norms.cls_negative
    shares = gradient_shares(*counts, gamma=gamma, alpha=alpha, **options)
    effective = ", ".join(f"{LOSS_LABELS[name]} {share.effective:,.0f}" for name, share in shares.items())
    in_region = region_counts(total, options["bins"])
    sparsest = int(np.argmin(np.where(in_region > 0, in_region, np.inf)))
    return plot_gradient_share(*counts, gamma=gamma, alpha=alpha, **options), (
        f"Effective number of examples: {effective}. Sparsest region: {in_region[sparsest]:,.0f} examples carry "
        f"{100 * shares['ghmc'].regions[sparsest]:.2g}% of GHM-C's gradient "
        f"({100 * shares['ghmc_published'].regions[sparsest]:.2g}% as published), "
        f"{100 * shares['ce'].regions[sparsest]:.2g}% of CE's."
    )


def _residual_distribution(norms: GradientNorms) -> Drawn | None:
    if not norms.box_residual_counts.any():
        return None
    mu = _known(norms.mu, MU)
    of_g = residuals_to_gradient_norm(norms.box_residual_edges, norms.box_residual_counts, mu)
    axis = f"gradient norm g of ASL1 (μ = {mu:g})"
    return plot_gradient_norm_distribution({"box coordinates": of_g}, xlabel=axis), ""


def _reweighted_residuals(norms: GradientNorms) -> Drawn | None:
    if not norms.box_residual_counts.any():
        return None
    options = _options(norms.bins_box, BINS_BOX, norms.box_max_weight, norms.box_by_regions, norms.box_exact)
    return plot_reweighted_regression(
        norms.box_residual_edges,
        norms.box_residual_counts,
        mu=_known(norms.mu, MU),
        delta=_known(norms.delta, DELTA),
        **options,
    ), ""


def _classification_options(norms: GradientNorms) -> _Harmonizing:
    options = _options(norms.bins_cls, BINS_CLS, norms.cls_max_weight, norms.cls_by_regions, norms.cls_exact)
    # Written since there is such a reference; files of runs without a density have neither.
    if norms.cls_by_positives == 1 or math.isnan(norms.cls_by_regions):
        options["normalize"] = "positives"
    return options


def _options(bins: float, usual_bins: int, max_weight: float, by_regions: float, exact: float) -> _Harmonizing:
    """Return the loss's own options; the library's where a run has none (nan)."""
    return _Harmonizing(
        bins=int(_known(bins, usual_bins)),
        max_weight=MAX_WEIGHT if math.isnan(max_weight) else None if math.isinf(max_weight) else max_weight,
        normalize="regions" if by_regions == 1 else "occupied",
        density="exact" if exact == 1 else "regions",
    )


def _known(value: float, default: float) -> float:
    """Return a run's setting, or the published one where the run has none (nan)."""
    return value if math.isfinite(value) else default
