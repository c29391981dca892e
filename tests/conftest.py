"""For all tests: the gate draws the same examples every time, a developer draws new ones; Ctrl-C works everywhere."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version

import pytest
from hypothesis import settings

from torchghm import mkl

mkl.set_reproducible()  # as the command line does, before any test imports torch

settings.register_profile("gate", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("gate")

# A suite that was started in the background ignores Ctrl-C, and so would the programs that its tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say on which processor, with which torch, the tests ran."""
    from benchmarks.measure import processor  # with torch, which is not to be imported before `set_reproducible`

    reproducible = f"{mkl.VARIABLE}={os.environ[mkl.VARIABLE]}"
    terminalreporter.write_line(f"on {processor()}, {os.cpu_count()} cores, torch {version('torch')}, {reproducible}")


@pytest.fixture
def no_file_beyond() -> Callable[[int], AbstractContextManager[None]]:
    """Writing fails beyond so many bytes of a file, for root too: to a writer it is what a full disk is."""

    @contextmanager
    def limited(bytes_: int) -> Iterator[None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return limited
