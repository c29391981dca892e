"""Means of scalars over an epoch, without waiting for the device in any step."""

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
            self._totals[name] = entry if total is None else total.to(entry.device) + entry

    def state_dict(self, summed_over_ranks: Callable[[Tensor], Tensor] = lambda totals: totals) -> dict[str, Tensor]:
        """Return the sums and counts so far, by name: a run that is resumed within the epoch needs them.

        Arguments:
            summed_over_ranks: [names, 2] to the same, summed over processes.
        """
        if not self._totals:
            return {}
        return dict(zip(self._totals, summed_over_ranks(torch.stack(list(self._totals.values()))), strict=True))

    def load_state_dict(self, state_dict: Mapping[str, Tensor], *, first: bool = True) -> None:
        """Go on from there.

        Arguments:
            state_dict: the sums and counts of all processes.
            first: whether this process is the one that has them from now on.
        """
        self._totals = {name: total if first else torch.zeros_like(total) for name, total in state_dict.items()}

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
