"""Threads for a pass: OpenMP's, which torch's own operations run on, or Python's where those can't be called.

With threads of our own beside them, torch's would still spin on the cores after the layer before the loss.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import torch

_TEAM = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
"""Form of OpenMP's entry point: a function, its argument, on how many threads, flags."""


@functools.cache
def openmp_team() -> int:
    """Address of OpenMP's entry point in the library that torch itself uses, 0 where there is none."""
    try:
        library = ctypes.CDLL(str(next((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"))))
        return _address(library.GOMP_parallel)
    except (AttributeError, OSError, StopIteration):
        return 0


def _start(function: int, argument: int, threads: int, flags: int) -> None:
    call, others = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function), []
    try:
        with suppress(RuntimeError):  # no more threads are allowed: fewer do the same
            for _ in range(threads - 1):
                thread = threading.Thread(target=call, args=(argument,))
                thread.start()
                others.append(thread)
        call(argument)
    finally:
        for thread in others:
            thread.join()


def _address(function: object) -> int:
    return cast(int, ctypes.cast(cast(ctypes.c_void_p, function), ctypes.c_void_p).value)


_CALLBACK = _TEAM(_start)  # lives as long as its address is used
OWN_TEAM = _address(_CALLBACK)
"""Address of a function of the same form, to be called by way of `call_apart`."""


def call_apart(function: Callable[[int], None], address: int) -> None:
    """Call on a thread of its own, and wait for the end, whatever a signal raises here meanwhile.

    Only the main thread has Python's signals: in `OWN_TEAM` what they raise would be lost, and threads with it.
    """
    ended, error = threading.Event(), None

    def call() -> None:
        function(address)
        ended.set()

    try:
        threading.Thread(target=call).start()
    except RuntimeError:  # no more threads are allowed
        call()
    while not ended.is_set():
        error = _wait(ended) or error
    if error is not None:
        raise error


def _wait(ended: threading.Event) -> BaseException | None:
    try:
        ended.wait()
    except BaseException as error:  # of any kind: it is raised after the end
        return error
    return None
