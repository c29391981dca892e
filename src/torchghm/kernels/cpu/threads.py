"""Threads for a pass: OpenMP's, which torch's own operations run on.

With threads of our own beside them, torch's would still spin on the cores after the layer before the loss. Where
torch's library has no such entry point, a pass runs on one thread.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import cast

import torch


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
