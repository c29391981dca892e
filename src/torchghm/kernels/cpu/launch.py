"""Calling kernels: how they run one after another.

A pass takes chunks of the examples by a shared counter until none is left, and writes each chunk's sums to a place of
its own; so the result depends neither on which thread took which chunk nor on how many threads there were.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numba.np.numpy_support import carray

from torchghm.kernels.cpu.kernel import Arguments, compile_kernel, compile_kernels
from torchghm.kernels.cpu.simd.annotations import Numbers, Pointer
from torchghm.kernels.cpu.simd.compiling import elementwise, scalar, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at, as_int64, call, call_team
from torchghm.kernels.cpu.simd.loads_and_stores import FLOAT64
from torchghm.kernels.cpu.threads import openmp_team

_NEXT_CHUNK = cast(Any, Arguments).next_chunk.offset


def run(
    arguments: Arguments,
    *,
    median: Callable[..., None] | None = None,
    pass_1: Callable[..., None] | None = None,
    density_step: Callable[..., None] | None = None,
    pass_2: Callable[..., None] | None = None,
) -> bool:
    """Run these kernels one after another, the passes on up to torch's number of threads, without the GIL.

    Returns:
        False where one of them refused something: none after it ran.
    """
    address = ctypes.addressof(arguments)
    arguments.counter = address + _NEXT_CHUNK
    call_sequence, addresses = _compiled(median, pass_1, density_step, pass_2)
    arguments.median, arguments.pass_1, arguments.density_step, arguments.pass_2 = addresses
    chunks = arguments.chunks
    if chunks != 1 and (pass_1 or pass_2):
        chunk_sums = torch.empty(chunks * max(arguments.width, 4), dtype=torch.float64, device="cpu")
        arguments.chunk_sums, arguments.team = chunk_sums.data_ptr(), openmp_team()
        arguments.threads = min(torch.get_num_threads(), chunks) if arguments.team else 1
    call_sequence(address)
    return not arguments.refused


def kernel_sequence(pointer: Pointer) -> None:
    """Run those of the median, pass 1, the density step and pass 2 that are asked for, until one refuses something.

    In a single call: Python in between would have to warm its caches anew.
    """
    a = carray(pointer, (1,))[0]
    if a.median:
        call(a.median, pointer)
    if a.pass_1 and not a.refused:
        _run_pass(pointer, a, a.pass_1, a.width, a.pass_1_sums)
    if a.density_step and not a.refused:
        call(a.density_step, pointer)
    if a.pass_2 and not a.refused:
        _run_pass(pointer, a, a.pass_2, as_int64(4), a.pass_2_sums)
        loss = array_at(a.pass_2_sums, np.float64, 3, 1)[0]
        if a.storage == FLOAT64:
            array_at(a.loss, np.float64, 0, 1)[0] = loss
        else:
            array_at(a.loss, np.float32, 0, 1)[0] = loss


@scalar
def _run_pass(pointer: Pointer, a: Arguments, kernel: int, width: int, sums: int) -> None:
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
def _add(numbers: Numbers, total: Numbers) -> None:
    vectorize()
    for k in range(total.size):
        total[k] += numbers[k]


@functools.cache
def _compiled(*functions: Callable[..., None] | None) -> tuple[Any, tuple[int, ...]]:
    """Return what calls the sequence, and the kernels' addresses, 0 for none."""
    compile_kernels([kernel_sequence, *(function for function in functions if function is not None)])
    addresses = tuple(0 if function is None else compile_kernel(function).address for function in functions)
    return compile_kernel(kernel_sequence).call, addresses
