"""How large the box residuals are by now: the median that ``mu="auto"`` follows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torchghm.losses.state.density_state import Averages, DensityState

CELLS_PER_DECADE = 128
SMALLEST, DECADES = 1e-6, 10
"""Residuals outside 1e-6 to 1e4 count as those; a cell in between is 1.8 % wide."""
HALF = 0.5 - 1e-5
"""Part of the distribution below the median. Less than 1/2, or rounding decides where that is between two cells."""


class ResidualScale(nn.Module):
    """Median of |d|, averaged over iterations and summed over ranks as the density is.

    The distribution of log |d| is a histogram whose moving average `DensityState` keeps; the median is read from it.
    So all ranks have the same, and nothing waits for a device.

    Arguments:
        momentum, sync: as of `DensityState`.

    Examples:
        >>> scale = ResidualScale(momentum=0.7)
        >>> scale(torch.tensor([0.1, 0.3, -0.3, 0.3, 2.0]), None)
        tensor(0.3023)
    """

    def __init__(self, momentum: float, sync: bool = True) -> None:
        super().__init__()
        self.state = DensityState(CELLS_PER_DECADE * DECADES, momentum, sync)

    @torch.no_grad()
    def forward(self, residual: Tensor, weight: Tensor | None) -> Tensor:
        """Take in a batch, and return the median of |d| up to now.

        Arguments:
            residual: d, any shape; NaN and infinities are no examples.
            weight: None or non-negative numbers shaped like ``residual``.

        Returns:
            A scalar above 0 of the dtype of ``residual``; 1 where there was no example yet.
        """
        scale, averages = self.look(residual, weight)
        self.state.keep(averages)
        return scale

    @torch.no_grad()
    def look(self, residual: Tensor, weight: Tensor | None) -> tuple[Tensor, Averages]:
        """Return the median of |d| that a batch leads to, and the averages; nothing is stored."""
        accumulated = torch.float32 if residual.device.type == "mps" else torch.float64
        distance = residual.abs().clamp(min=SMALLEST).flatten()
        finite = distance.isfinite()
        cell = (distance.where(finite, 1.0) / SMALLEST).log10() * CELLS_PER_DECADE
        amount = finite.to(accumulated)
        if weight is not None:
            amount = (amount * weight.flatten()).to(accumulated)
        cells = self.state.fractions.numel()
        histogram = amount.new_zeros(cells).index_add_(0, cell.long().clamp(max=cells - 1), amount)
        estimate, averages = self.state.look(self.state.of_all_ranks(histogram))
        return median_residual(estimate.fractions).to(residual.dtype), averages

    @property
    def median(self) -> Tensor:
        """Median of |d| up to now: a scalar; 1 before the first example."""
        return median_residual(self.state.fractions)


def median_residual(fractions: Tensor) -> Tensor:
    """Return the residual below which half of the (not necessarily normalised) distribution lies."""
    cumulated = fractions.cumsum(0)
    half = cumulated[-1:] * HALF
    # All of shape [1]: a scalar index would wait for the device.
    cell = torch.searchsorted(cumulated, half).clamp(max=fractions.numel() - 1)
    content = fractions.gather(0, cell)
    inside = (half - cumulated.gather(0, cell) + content) / content.where(content > 0, 1.0)
    median = SMALLEST * 10 ** ((cell + inside.clamp(0, 1)) / CELLS_PER_DECADE)
    return median.where(half > 0, 1.0)[0]
