from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

LIMIT = 120 * max(1, int(os.environ.get("FUZZ_EXAMPLES", "40")) // 40)
"""Seconds that a case may take; the slowest takes seven. No measurement of speed: a hang has to fail, not to stay."""


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """A reader that hangs on what a case did to its files fails the case."""

    def hangs(number: int, frame: object) -> None:
        raise TimeoutError(f"still at work after {LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
