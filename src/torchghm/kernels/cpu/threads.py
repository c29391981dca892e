"""Chunks of a pass, and threads for them: OpenMP's, which torch's own operations run on.

With threads of our own beside them, torch's would still spin on the cores after the layer before the loss. Where
torch's library has no such entry point, a pass runs on one thread.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import cast

import torch

MIN_CHUNK = 65_536
"""Up to so many numbers are one chunk, and of more each chunk holds half at least: some 30 microseconds of work, a few
times what waking a thread costs."""
MAX_CHUNKS = 128
"""Chunks, at most: each has a histogram of its own."""


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


@functools.cache
def openmp_team() -> int:
    """Address of OpenMP's entry point in the library that torch itself uses, 0 where there is none.

    It takes a function, its argument, on how many threads, and flags.
    """
    try:
        library = ctypes.CDLL(str(next((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"))))
        return cast(int, ctypes.cast(cast(ctypes.c_void_p, library.GOMP_parallel), ctypes.c_void_p).value)
    except (AttributeError, OSError, StopIteration):
        return 0
