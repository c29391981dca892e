"""Means over an epoch of what every step computes, without waiting for the device in any step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class EpochMeans:
    """Sums and counts of scalars, by name, on the device where they are computed."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in scalars; those that are not finite are not counted."""
        for name, value in values.items():
            finite = value.isfinite()
            entry = torch.stack([value.where(finite, 0.0).float(), finite.float()])
            total = self._totals.get(name)
            self._totals[name] = entry if total is None else total + entry

    def compute(self, summed_over_ranks: Callable[[Tensor], Tensor] = lambda totals: totals) -> dict[str, float]:
        """Return the means and start anew; here the device is waited for, once.

        Arguments:
            summed_over_ranks: [names, 2] to the same, summed over processes.
        """
        if not self._totals:
            return {}
        totals = summed_over_ranks(torch.stack(list(self._totals.values()))).tolist()
        names = list(self._totals)
        self._totals = {}
        return {name: total / count for name, (total, count) in zip(names, totals, strict=True) if count}
