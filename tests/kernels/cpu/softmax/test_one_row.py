"""The largest logit of a row."""

from __future__ import annotations

import numpy as np
import pytest

from torchghm.kernels.cpu.simd.compiling import elementwise
from torchghm.kernels.cpu.softmax.one_row import maximum


@elementwise
def maximum_of(source):
    return maximum(source)


@pytest.mark.parametrize("numbers", [[3, 1, 2], [-3, -1, -2], [-0.5, -np.inf], [np.inf, 0], [-1e-40, -1e-38], [7]])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_maximum(numbers, real):
    array = np.array(numbers, real)
    assert maximum_of(array) == array.max()
