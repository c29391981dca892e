from __future__ import annotations

import threading
import time

import pytest

from torchghm.data.threads import in_threads


def test_results_come_in_order_from_several_threads():
    barrier = threading.Barrier(4, timeout=10)

    def wait_for_others(number: int) -> int:
        barrier.wait()
        return number * number

    assert list(in_threads(wait_for_others, range(8), workers=4)) == [number * number for number in range(8)]
    assert list(in_threads(str, [])) == []


def test_the_first_error_ends_the_work():
    done = []

    def work(number: int) -> None:
        if number == 1:
            raise RuntimeError("one is broken")
        time.sleep(0.001)
        done.append(number)

    with pytest.raises(RuntimeError, match="one is broken"):
        list(in_threads(work, range(10_000), workers=2))
    assert len(done) < 5_000
