"""The two passes of sigmoid GHM-C on a CPU: every logit is an example.

Class indices without weights, as detectors have them, are worked on where they lie.
"""

from __future__ import annotations

import numpy as np
from numba.np.numpy_support import carray

from torchghm.kernels.cpu.histogram_pass import count_examples
from torchghm.kernels.cpu.loss_pass import weigh_examples
from torchghm.kernels.cpu.simd.annotations import Pointer


def histogram_float32(pointer: Pointer) -> None:
    """Pass 1."""
    count_examples(carray(pointer, (1,))[0], np.float32, None)


def histogram_float64(pointer: Pointer) -> None:
    """Pass 1 in float64."""
    count_examples(carray(pointer, (1,))[0], np.float64, None)


def loss_float32(pointer: Pointer) -> None:
    """Pass 2."""
    weigh_examples(carray(pointer, (1,))[0], np.float32, None)


def loss_float64(pointer: Pointer) -> None:
    """Pass 2 in float64."""
    weigh_examples(carray(pointer, (1,))[0], np.float64, None)
