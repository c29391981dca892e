"""A kernel: a C function of one pointer to `Arguments`, compiled by Numba and kept on disk."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numba import cfunc, from_dtype, types
from numba.core.caching import FunctionCache
from numba.core.event import Listener, install_listener

MADE_BY = "made_by"
"""Attribute of an entry point: the name of what made it, and what that was told."""

_COMPILING = """
import json, sys
from torchghm.kernels.cpu import entry_points
from torchghm.kernels.cpu.kernel import compile_kernel
for name, options in json.loads(sys.argv[1]):
    compile_kernel(getattr(entry_points, name)(*options))
"""
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


ARGUMENTS = np.dtype([(name, "f8" if kind == "float" else "i8") for name, kind in _Fields.__annotations__.items()])
POINTER = cast(Any, types.CPointer)(from_dtype(ARGUMENTS))


class Kernel(NamedTuple):
    """A compiled kernel."""

    function: Any
    """Numba's; keeps the code alive."""
    address: int
    call: Any
    """Calls it with the address of `Arguments`, without the GIL."""


def compile_kernels(functions: Iterable[Callable[..., None]]) -> None:
    """Compile those that are not on the disk, half of them in a second process: Numba compiles one at a time."""
    missing = [function for function in functions if not _is_kept(function)]
    # Those of pass 1 take about as long as all others.
    halved = torch.get_num_threads() > 1 and not any(_cache(function) is None for function in missing)
    first = [function for function in missing if halved and _made_by(function)[0].endswith("histogram")]
    second_process = _start_compiling(first) if 0 < len(first) < len(missing) else None
    for function in missing:
        if second_process is None or function not in first:
            compile_kernel(function)
    if second_process is not None:
        second_process.wait()  # what it could not compile is compiled by whoever calls it


def _is_kept(function: Callable[..., None]) -> bool:
    cache = _cache(function)
    return cache is not None and Path(cache._cache_file._index_path).exists()


def _made_by(function: Callable[..., None]) -> tuple[str, tuple[bool, ...]]:
    return getattr(function, MADE_BY, ("", ()))


def _start_compiling(functions: list[Callable[..., None]]) -> subprocess.Popen[bytes] | None:
    """Start a process that compiles entry points into the same folder; None where none can be started."""
    if not sys.executable or getattr(sys, "frozen", False):
        return None  # no interpreter, but a program that would start once more
    made_by = json.dumps([_made_by(function) for function in functions])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _COMPILING, made_by], env=environment, stdin=quiet, stdout=quiet, stderr=quiet
        )
    except OSError:
        return None


@functools.cache
def compile_kernel(function: Callable[..., None]) -> Kernel:
    """Compile, which is announced, or read from the disk what an earlier process compiled."""
    cache = _cache(function)
    folder = None if cache is None else cache.cache_path
    with install_listener("numba:compile", _Announcement(function.__name__, folder)):
        compiled = cfunc(types.void(POINTER), cache=folder is not None, error_model="numpy")(function)
    address = cast(int, compiled.address)
    return Kernel(compiled, address, ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address))


def _cache(function: Callable[..., None]) -> Any:
    """Where Numba keeps it: beside the sources, else in the user's cache; none where neither can be written to."""
    # Numba's own check of what it finds on disk sees the file that defines the function, but not those it calls.
    function.__qualname__ = f"{function.__name__}_{_source_fingerprint()}"
    try:
        return cast(Any, FunctionCache)(function)
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
