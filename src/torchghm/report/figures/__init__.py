"""The page's figures as functions `plot_x(..., ax=None) -> (fig, ax)`, for notebooks and papers.

They draw on matplotlib figures outside pyplot's state and never show them: `fig.savefig("x.svg")`, or pass your `ax`.
"""

from torchghm.report.figures.classification import (
    plot_gradient_norm_distribution,
    plot_reweighted_classification,
)
from torchghm.report.figures.regression import plot_regression_losses, plot_reweighted_regression
from torchghm.report.figures.results import plot_paired_differences, plot_per_class_average_precision
from torchghm.report.figures.samples import plot_samples
from torchghm.report.figures.shares import GradientShare, gradient_shares, plot_gradient_share
from torchghm.report.figures.training import (
    plot_average_precision,
    plot_training_losses,
    plot_weights_over_training,
)

__all__ = [
    "GradientShare",
    "gradient_shares",
    "plot_average_precision",
    "plot_gradient_norm_distribution",
    "plot_gradient_share",
    "plot_paired_differences",
    "plot_per_class_average_precision",
    "plot_regression_losses",
    "plot_reweighted_classification",
    "plot_reweighted_regression",
    "plot_samples",
    "plot_training_losses",
    "plot_weights_over_training",
]
