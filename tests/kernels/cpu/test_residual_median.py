"""The running median in Numba against the one in torch."""

from __future__ import annotations

import pytest
import torch

from torchghm.kernels.cpu.residual_median import median_cell
from torchghm.losses.state.residual_scale import CELLS_PER_DECADE, DECADES, HALF, SMALLEST, median_residual

CELLS = CELLS_PER_DECADE * DECADES


@pytest.mark.parametrize("occupied", [[0], [700], [CELLS - 1], [3, 900], [5, 6, 7, 800]])
def test_median(occupied):
    fractions = torch.zeros(CELLS, dtype=torch.float64)
    fractions[occupied] = 1 / len(occupied)
    place = median_cell(fractions.numpy(), HALF)
    assert SMALLEST * 10 ** (place / CELLS_PER_DECADE) == pytest.approx(float(median_residual(fractions)), rel=1e-9)


def test_without_examples_there_is_none():
    assert median_cell(torch.zeros(CELLS, dtype=torch.float64).numpy(), HALF) == -1
    assert median_residual(torch.zeros(CELLS)) == 1
