"""The two passes of GHM-R on a CPU: every box coordinate is an example."""

from __future__ import annotations

import numpy as np
from numba.np.numpy_support import carray

from torchghm.kernels.cpu.histogram_pass import count_examples
from torchghm.kernels.cpu.loss_pass import weigh_examples
from torchghm.kernels.cpu.simd.annotations import Pointer


def histogram_float32(pointer: Pointer) -> None:
    """Pass 1."""
    a = carray(pointer, (1,))[0]
    count_examples(a, np.float32, np.float32(a.mu))


def histogram_float64(pointer: Pointer) -> None:
    """Pass 1 in float64."""
    a = carray(pointer, (1,))[0]
    count_examples(a, np.float64, np.float64(a.mu))


def loss_float32(pointer: Pointer) -> None:
    """Pass 2."""
    a = carray(pointer, (1,))[0]
    weigh_examples(a, np.float32, np.float32(a.mu))


def loss_float64(pointer: Pointer) -> None:
    """Pass 2 in float64."""
    a = carray(pointer, (1,))[0]
    weigh_examples(a, np.float64, np.float64(a.mu))
