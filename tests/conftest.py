"""For all tests: CI draws the same examples every time, a developer draws new ones; Ctrl-C works everywhere."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

from torchghm import mkl

# Threads of one process that wait for each other while another process has their core take many times as long.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // int(workers))))

mkl.set_reproducible()  # as the command line does, before any test imports torch

settings.register_profile("gate", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("gate")

# A suite that was started in the background ignores Ctrl-C, and so would the programs that its tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SLOW = (
    # Other frameworks' trainers, and scripts and notebooks that use them.
    "src/torchghm/integrations",
    "tests/examples",
    "tests/integrations",
    # Processes that exchange histograms or gradients.
    "tests/detection/test_ranks.py",
    "tests/losses/rivals/test_class_sums.py",
    "tests/losses/state/test_ranks.py",
    "tests/training/test_distributed_run.py",
    "tests/training/loop/test_processes.py",
    # Commands, browsers and builds, each a process of its own.
    "tests/benchmarks",
    "tests/cli",
    "tests/data/hostile",
    "tests/report/test_browser.py",
    "tests/review/test_page.py",
    "tests/test_code_blocks.py",
    "tests/test_commands.py",
    "tests/test_release.py",
    "tests/test_site.py",
    "tests/training/test_interruption.py",
    # Trainings, and what is done with a trained detector.
    "tests/detection/detectors",
    "tests/training/comparison",
    "tests/training/deployment",
    "tests/training/evaluation",
    "tests/training/loop",
    "tests/training/recipes/test_detector.py",
    "tests/training/test_label_memory.py",
    "tests/training/test_multi_scale.py",
    "tests/training/test_opening.py",
    "tests/training/test_resume.py",
    "tests/training/test_run.py",
    "tests/training/test_trainer.py",
    "tests/training/test_weight_averaging.py",
    # Kernels compiled anew for other processors, Triton's interpreter and compiler.
    "tests/kernels/cpu/simd/test_vectors.py",
    "tests/kernels/triton",
)
"""Files and folders whose tests are left out by ``-m "not slow"``. Single slow tests elsewhere bear the mark."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow files and folders."""
    slow = [ROOT / place for place in SLOW]
    for item in items:
        if any(item.path.is_relative_to(place) for place in slow):
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say on which processor, with which torch, the tests ran."""
    from benchmarks.speed.measure import processor  # with torch, which is not to be imported before `set_reproducible`

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
