"""Threads for a pass where OpenMP can't be called."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from torchghm.kernels.cpu import threads


def test_without_openmp_what_a_signal_raises_comes_after_the_kernels():
    interrupted, called = threading.Event(), []

    def interrupt(*_):
        interrupted.set()
        raise SystemExit("asked to end")

    def kernel(address):
        time.sleep(0.2)  # until the other thread waits
        os.kill(os.getpid(), signal.SIGUSR1)
        called.append((interrupted.wait(60), address))

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(SystemExit, match="asked to end"):
            threads.call_apart(kernel, 5)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert called == [(True, 5)]
