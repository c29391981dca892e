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


def points(value: float | None) -> str:
    """Return an average precision as it is shown: in points, a dash where there is none. Files keep fractions.

    Examples:
        >>> points(0.3214), points(None)
        ('32.1', '-')
    """
    return "-" if value is None else f"{100 * value:.1f}"
