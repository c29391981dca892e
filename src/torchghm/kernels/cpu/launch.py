"""Calling kernels: what they are told, how they are compiled, and how they run one after another.

A kernel is a C function of one pointer, compiled by Numba and kept on disk. A pass takes chunks of the examples by a
shared counter until none is left, and writes each chunk's sums to a place of its own; so the result depends neither on
which thread took which chunk nor on how many threads there were.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numba import cfunc, from_dtype, types
from numba.core.caching import FunctionCache
from numba.core.event import Listener, install_listener
from numba.np.numpy_support import carray

from torchghm.kernels.cpu.simd.annotations import Numbers, Pointer
from torchghm.kernels.cpu.simd.compiling import elementwise, scalar, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at, call, call_team
from torchghm.kernels.cpu.simd.loads_and_stores import FLOAT64
from torchghm.kernels.cpu.threads import openmp_team

_LOG = logging.getLogger("torchghm")


class _Fields:
    counter: int  # address of the next chunk's number, which is the field that follows
    next_chunk: int
    chunks: int
    chunk_size: int  # numbers in a chunk (softmax: rows)
    logits: int  # address; the residual for regression
    storage: int  # code of the logits' and the gradient's dtype
    rows: int
    columns: int
    targets: int  # address
    target_storage: int  # code of the targets' dtype, -1 for class indices
    weight: int  # address, 0 for none; the dtype of the arithmetic
    row_weight: int  # whether there is one weight a row
    ignore_index: int
    leave_out_nonfinite: int
    regions: int
    table: int  # address, float64 [regions]; pass 2
    gradient: int  # address; pass 2
    sums: int  # address, float64: a row for every chunk
    width: int  # numbers in a row of pass 1
    loss: int  # address, in the dtype of the arithmetic; pass 2
    mu: float
    # The steps, one after another:
    median: int  # address of a kernel, 0 for none
    pass_1: int
    density_step: int
    pass_2: int
    threads: int
    team: int  # address of what starts them
    chunk_sums: int  # address, float64: room for the rows of a pass, where there are several
    pass_1_sums: int  # address, float64 [width]
    pass_2_sums: int  # address, float64 [4]
    # Around the passes:
    record: int  # address, float64: `record_layout`
    refuse: int  # what is an error, by bits
    refused: int  # set where one was found
    fractions: int  # address, float32 [regions]: of `DensityState`
    seen: int  # address, float32
    momentum: float
    training: int  # whether the averages are moved
    bins: int
    reference: int  # what regions are measured against
    examples_per_positive: float  # that a region may count for, measured against the positives
    positives: int  # whether they are counted or given
    given_positives: float
    positive_fraction: int  # address, float32: their average in `DensityState`; 0 for none
    max_weight: float
    mean: int  # whether the table has the division in it
    mean_over_positives: int
    largest: float  # number that pass 2 computes with
    cells: int  # of the distribution of |d|
    residual_histogram: int  # address, float64 [cells + 1]: and how much is not finite
    scale_fractions: int  # address, float32 [cells]
    scale_seen: int  # address, float32
    scale_momentum: float
    smallest: float  # |d| that the first cell begins at
    cells_per_decade: float
    part_below: float  # the median


class Arguments(_Fields, ctypes.Structure):
    """All that the kernels are told. Addresses are of contiguous tensors that outlive the call."""

    _fields_: ClassVar = [
        (name, ctypes.c_double if kind == "float" else ctypes.c_int64) for name, kind in _Fields.__annotations__.items()
    ]


_NEXT_CHUNK = cast(Any, Arguments).next_chunk.offset

ARGUMENTS = np.dtype([(name, "f8" if kind == "float" else "i8") for name, kind in _Fields.__annotations__.items()])
POINTER = cast(Any, types.CPointer)(from_dtype(ARGUMENTS))


class Kernel(NamedTuple):
    """A compiled kernel."""

    function: Any
    """Numba's; keeps the code alive."""
    address: int
    call: Any
    """Calls it with the address of `Arguments`, without the GIL."""


@functools.cache
def compile_kernel(function: Callable[..., None]) -> Kernel:
    """Compile, which is announced, or read from the disk what an earlier process compiled."""
    # Numba's own check of what it finds on disk sees the file that defines the function, but not those it calls.
    function.__qualname__ = f"{function.__name__}_{_source_fingerprint()}"
    folder = _cache_folder(function)
    with install_listener("numba:compile", _Announcement(function.__name__, folder)):
        compiled = cfunc(types.void(POINTER), cache=folder is not None)(function)
    address = cast(int, compiled.address)
    return Kernel(compiled, address, ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address))


def _cache_folder(function: Callable[..., None]) -> str | None:
    """Where Numba keeps it: beside the sources, else in the user's cache; none where neither can be written to."""
    try:
        return cast(str, cast(Any, FunctionCache)(function).cache_path)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return None


class _Announcement(Listener):
    """Says once a process that kernels are compiled: it takes long, and a first step must not look hung."""

    made = False

    def __init__(self, kernel: str, folder: str | None) -> None:
        kept = f"kept in {folder}" if folder else "not kept, as no cache folder can be written to: set NUMBA_CACHE_DIR"
        self.text = f"torchghm compiles its CPU kernels, first `{kernel}`: up to a minute, once; {kept}"

    def on_start(self, event: Any) -> None:
        if not _Announcement.made:
            _Announcement.made = True
            _LOG.warning(self.text)

    def on_end(self, event: Any) -> None:
        pass


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
    chunks = arguments.chunks
    if chunks != 1 and (pass_1 or pass_2):
        chunk_sums = torch.empty(chunks * max(arguments.width, 4), dtype=torch.float64, device="cpu")
        arguments.chunk_sums, arguments.team = chunk_sums.data_ptr(), openmp_team()
        arguments.threads = min(torch.get_num_threads(), chunks) if arguments.team else 1
    compile_kernel(kernel_sequence).call(address)
    return not arguments.refused


def kernel_sequence(pointer: Pointer) -> None:
    """Run those of the median, pass 1, the density step and pass 2 that are asked for, until one refuses something.

    In a single call: Python in between would have to warm its caches anew.
    """
    _run_steps(pointer, carray(pointer, (1,))[0])


@scalar
def _run_steps(pointer: Pointer, a: Arguments) -> None:
    if a.median:
        call(a.median, pointer)
    if a.pass_1 and not a.refused:
        _run_pass(pointer, a, a.pass_1, a.width, a.pass_1_sums)
    if a.density_step and not a.refused:
        call(a.density_step, pointer)
    if a.pass_2 and not a.refused:
        _run_pass(pointer, a, a.pass_2, 4, a.pass_2_sums)
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


def _address(function: Callable[..., None] | None) -> int:
    return 0 if function is None else compile_kernel(function).address
