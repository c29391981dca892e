"""A run or a comparison as one HTML page and as figures.

`write_report(folder)` writes the page; `plot_x(..., ax=None) -> (fig, ax)` draws each of its figures by itself;
`read_run` and `read_comparison` give the data (docs/run-folder.md).
"""

from torchghm.report.figures import (
    gradient_shares,
    plot_average_precision,
    plot_gradient_norm_distribution,
    plot_gradient_share,
    plot_paired_differences,
    plot_per_class_average_precision,
    plot_regression_losses,
    plot_reweighted_classification,
    plot_reweighted_regression,
    plot_samples,
    plot_training_losses,
    plot_weights_over_training,
)
from torchghm.report.page import write_report
from torchghm.results.comparison import Comparison, read_comparison
from torchghm.results.run import Run, read_run

__all__ = [
    "Comparison",
    "Run",
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
    "read_comparison",
    "read_run",
    "write_report",
]
