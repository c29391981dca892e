"""The steps of a loss, one after another in a single call: Python in between would have to warm its caches anew."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchghm.kernels.cpu.simd.intrinsics import call, call_team, carray, elementwise, scalar, vectorize
from torchghm.kernels.cpu.simd.loads_and_stores import FLOAT64, array_at


def steps(pointer: Any) -> None:
    """Those of the median, pass 1, the density step and pass 2 that are asked for, until one refuses something."""
    _steps(pointer, carray(pointer, (1,))[0])


@scalar
def _steps(pointer: Any, a: Any) -> None:
    if a.median:
        call(a.median, pointer)
    if a.pass_1 and not a.refused:
        _run(pointer, a, a.pass_1, a.width, a.pass_1_sums)
    if a.density_step and not a.refused:
        call(a.density_step, pointer)
    if a.pass_2 and not a.refused:
        _run(pointer, a, a.pass_2, 4, a.pass_2_sums)
        loss = array_at(a.pass_2_sums, np.float64, 3, 1)[0]
        if a.storage == FLOAT64:
            array_at(a.loss, np.float64, 0, 1)[0] = loss
        else:
            array_at(a.loss, np.float32, 0, 1)[0] = loss


@scalar
def _run(pointer: Any, a: Any, kernel: Any, width: Any, sums: Any) -> None:
    """Run a pass, and add up what it has summed over each chunk, ``width`` numbers."""
    a.next_chunk = 0
    if a.chunks == 1:
        a.sums = sums
        call(kernel, pointer)
        return
    a.sums = a.chunk_sums
    if a.threads > 1:
        call_team(a.team, kernel, pointer, a.threads)
    if a.next_chunk < a.chunks:  # also what a team has left
        call(kernel, pointer)
    total = array_at(sums, np.float64, 0, width)
    total[:] = 0.0
    for chunk in range(a.chunks):
        _add(array_at(a.chunk_sums, np.float64, chunk * width, width), total)


@elementwise
def _add(numbers: Any, total: Any) -> None:
    vectorize()
    for k in range(total.size):
        total[k] += numbers[k]
