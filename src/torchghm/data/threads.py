"""Work on many files at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the items' order; the first error is raised.

    Reading a disk and decoding pixels release the interpreter's lock, so threads are enough.

    Arguments:
        function: what to do; called from several threads.
        items: what to do it with.
        workers: how many threads; as many as processors (at most 16) if None.
    """
    pool = ThreadPoolExecutor(workers or min(16, os.cpu_count() or 1))
    try:
        yield from pool.map(function, items)
    finally:
        # After an error or Ctrl-C nobody wants the rest.
        pool.shutdown(wait=True, cancel_futures=True)
