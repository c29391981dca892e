"""The paired difference of a method to the baseline, as a comparison writes it and a page reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """Paired difference over seeds: its mean, and the ends of its 95% interval; None where there is none."""

    mean: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """The interval in words, for a metric of which more is better."""
        if self.mean is None:
            return "not measured"
        if self.low is None or self.high is None:
            return "one seed: no interval"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no difference shown"
