"""Calling kernels: what they are told, how they are compiled, and how they run one after another.

A kernel is a C function of one pointer, compiled by Numba and kept on disk. A pass takes chunks of the examples by a
shared counter until none is left, and writes each chunk's sums to a place of its own; so the result depends neither on
which thread took which chunk nor on how many threads there were.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numba import cfunc, from_dtype, types

from torchghm.kernels.cpu.kernel_sequence import steps
from torchghm.kernels.cpu.threads import OWN_TEAM, call_apart, openmp_team

MIN_CHUNK = 65_536
"""Up to so many numbers are one chunk, and of more each chunk holds half at least: some 30 microseconds of work, a few
times what waking a thread costs."""
MAX_CHUNKS = 128
"""Chunks, at most: each has a histogram of its own."""

_FIELDS: list[tuple[str, type[ctypes.c_int64] | type[ctypes.c_double]]] = [
    ("counter", ctypes.c_int64),  # address of the next chunk's number, which is the field that follows
    ("next_chunk", ctypes.c_int64),
    ("chunks", ctypes.c_int64),
    ("chunk_size", ctypes.c_int64),  # numbers in a chunk (softmax: rows)
    ("logits", ctypes.c_int64),  # address; the residual for regression
    ("storage", ctypes.c_int64),  # code of the logits' and the gradient's dtype
    ("rows", ctypes.c_int64),
    ("columns", ctypes.c_int64),
    ("targets", ctypes.c_int64),  # address
    ("target_storage", ctypes.c_int64),  # code of the targets' dtype, -1 for class indices
    ("weight", ctypes.c_int64),  # address, 0 for none; the dtype of the arithmetic
    ("row_weight", ctypes.c_int64),  # whether there is one weight a row
    ("ignore_index", ctypes.c_int64),
    ("leave_out_nonfinite", ctypes.c_int64),
    ("regions", ctypes.c_int64),
    ("table", ctypes.c_int64),  # address, float64 [regions]; pass 2
    ("gradient", ctypes.c_int64),  # address; pass 2
    ("sums", ctypes.c_int64),  # address, float64: a row for every chunk
    ("width", ctypes.c_int64),  # numbers in a row of pass 1
    ("loss", ctypes.c_int64),  # address, in the dtype of the arithmetic; pass 2
    ("mu", ctypes.c_double),
    # One after another (`kernel_sequence`):
    ("median", ctypes.c_int64),  # address of a kernel, 0 for none
    ("pass_1", ctypes.c_int64),
    ("density_step", ctypes.c_int64),
    ("pass_2", ctypes.c_int64),
    ("threads", ctypes.c_int64),
    ("team", ctypes.c_int64),  # address of what starts them
    ("chunk_sums", ctypes.c_int64),  # address, float64: room for the rows of a pass, where there are several
    ("pass_1_sums", ctypes.c_int64),  # address, float64 [width]
    ("pass_2_sums", ctypes.c_int64),  # address, float64 [4]
    # Around the passes (`density_step`):
    ("record", ctypes.c_int64),  # address, float64: `record_layout`
    ("refuse", ctypes.c_int64),  # what is an error, by bits
    ("refused", ctypes.c_int64),  # set where one was found
    ("fractions", ctypes.c_int64),  # address, float32 [regions]: of `DensityState`
    ("seen", ctypes.c_int64),  # address, float32
    ("momentum", ctypes.c_double),
    ("training", ctypes.c_int64),  # whether the averages are moved
    ("bins", ctypes.c_int64),
    ("reference", ctypes.c_int64),  # what regions are measured against
    ("examples_per_positive", ctypes.c_double),  # that a region may count for, measured against the positives
    ("positives", ctypes.c_int64),  # whether they are counted or given
    ("given_positives", ctypes.c_double),
    ("positive_fraction", ctypes.c_int64),  # address, float32: their average in `DensityState`; 0 for none
    ("max_weight", ctypes.c_double),
    ("mean", ctypes.c_int64),  # whether the table has the division in it
    ("mean_over_positives", ctypes.c_int64),
    ("largest", ctypes.c_double),  # number that pass 2 computes with
    ("cells", ctypes.c_int64),  # of the distribution of |d|
    ("residual_histogram", ctypes.c_int64),  # address, float64 [cells + 1]: and how much is not finite
    ("scale_fractions", ctypes.c_int64),  # address, float32 [cells]
    ("scale_seen", ctypes.c_int64),  # address, float32
    ("scale_momentum", ctypes.c_double),
    ("smallest", ctypes.c_double),  # |d| that the first cell begins at
    ("cells_per_decade", ctypes.c_double),
    ("part_below", ctypes.c_double),  # the median
]


class Arguments(ctypes.Structure):
    """What a kernel is told. Addresses are of contiguous tensors that outlive the call."""

    _fields_ = _FIELDS


_NEXT_CHUNK = cast(Any, Arguments).next_chunk.offset

ARGUMENTS = np.dtype([(name, "f8" if kind is ctypes.c_double else "i8") for name, kind in _FIELDS])
POINTER = cast(Any, types.CPointer)(from_dtype(ARGUMENTS))


def chunking(count: int, numbers: int, multiple: int) -> tuple[int, int]:
    """Split ``count`` items of so many numbers each: how many chunks, and the items in one, a multiple.

    They are even, and several are two or a multiple of four, as far as that ``multiple`` allows: so two or four threads
    end together. The number of threads must not matter, or the result would depend on it.
    """
    most = max(MIN_CHUNK // numbers, -(-count // MAX_CHUNKS), 1)
    chunks = -(-count // most)
    if chunks > 2:
        chunks = -(-chunks // 4) * 4
    size = -(-count // max(chunks, 1))
    size = -(-size // multiple) * multiple
    return -(-count // max(size, 1)), size


class Kernel(NamedTuple):
    """A compiled kernel."""

    function: Any
    """Numba's; keeps the code alive."""
    address: int
    call: Any
    """Calls it with the address of `Arguments`, without the GIL."""


@functools.cache
def compile_kernel(function: Callable[..., None]) -> Kernel:
    """Compile, or read from the disk what an earlier process compiled."""
    # Numba's own check of what it finds on disk sees the file that defines the function, but not those it calls.
    function.__qualname__ = f"{function.__name__}_{_source_fingerprint()}"
    signature = types.void(POINTER)
    try:
        compiled = cfunc(signature, cache=True)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        compiled = cfunc(signature)(function)  # no folder to write to: compiled once a process
    address = cast(int, compiled.address)
    return Kernel(compiled, address, ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address))


@functools.cache
def _source_fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


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
    arguments.median, arguments.pass_1 = _address(median), _address(pass_1)
    arguments.density_step, arguments.pass_2 = _address(density_step), _address(pass_2)
    chunks, threads, call = arguments.chunks, 1, compile_kernel(steps).call
    if chunks != 1 and (pass_1 or pass_2):
        chunk_sums = torch.empty(chunks * max(arguments.width, 4), dtype=torch.float64, device="cpu")
        threads = min(torch.get_num_threads(), chunks)
        arguments.chunk_sums, arguments.threads = chunk_sums.data_ptr(), threads
        arguments.team = openmp_team() or OWN_TEAM
    if threads <= 1 or openmp_team():
        call(address)
    else:
        call_apart(call, address)
    return not arguments.refused


def _address(function: Callable[..., None] | None) -> int:
    return 0 if function is None else compile_kernel(function).address
