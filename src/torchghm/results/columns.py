"""The columns of the CSV files that a run rewrites after every epoch."""

from __future__ import annotations

from torchghm.results.average_precision import METRIC_LABELS

METRIC_COLUMNS = (
    "epoch",
    "step",
    *(f"val/{name}" for name in METRIC_LABELS),
    "train/loss",
    "train/classification",
    "train/bbox_regression",
    "train/cls_plain_loss",
    "train/box_plain_loss",
    "train/cls_positive_share",
    "train/cls_occupied_regions",
    "train/cls_largest_beta",
    "lr",
    "images_per_second",
)
"""Columns of ``metrics.csv``, one row an epoch."""

CLASS_COLUMNS = ("epoch", "class", "ap")
"""Columns of ``class_metrics.csv``, one row an epoch and class."""

BETA_COLUMNS = ("loss", "epoch", "region", "lower", "upper", "fraction", "beta")
"""Columns of ``beta_history.csv``, one row a loss, epoch and unit region."""
