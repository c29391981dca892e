"""The average precisions of a final evaluation, by the names that the files use."""

from __future__ import annotations

METRIC_LABELS = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "AP small",
    "ap_medium": "AP medium",
    "ap_large": "AP large",
}
"""Labels by the name in ``results.json``, in the order in which they are shown."""
