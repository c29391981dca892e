"""How kernels are called: threads, compilation, and the memory that gradients live in."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import pytest
import torch
from tests.kernels.batches import random_examples, threads_and_chunks

from torchghm.kernels.cpu import entry_points, launch, passes


def both_passes(inputs, regions=30):
    table = torch.linspace(1, 2, regions, dtype=torch.float64)
    return (
        passes.classification_histogram(*inputs, regions, "sigmoid", -100, False),
        *passes.classification_loss_and_gradient(*inputs, table, "sigmoid", -100, False),
    )


@pytest.fixture
def inputs():
    return random_examples(
        1, activation="sigmoid", rows=500, classes=80, dtype=torch.float32, soft=False, weight="none"
    )


def test_without_openmp_one_thread_does_the_same(inputs, monkeypatch):
    with threads_and_chunks(3, chunk=1024):
        expected = both_passes(inputs)
        monkeypatch.setattr(launch, "openmp_team", lambda: 0)
        for one, other in zip(both_passes(inputs), expected, strict=True):
            assert torch.equal(one, other)


def test_called_from_many_threads_at_once(inputs):
    expected = both_passes(inputs)
    results = []
    with threads_and_chunks(2, chunk=1024):
        callers = [threading.Thread(target=lambda: results.append(both_passes(inputs))) for _ in range(6)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
    assert len(results) == 6
    for result in results:
        assert torch.equal(result[0], expected[0])
        assert torch.equal(result[3], expected[3])


def test_compiled_once_where_no_folder_can_be_written(monkeypatch):
    def cache(function):
        raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")

    monkeypatch.setattr(launch, "FunctionCache", cache)
    kernel = launch.compile_kernel.__wrapped__(entry_points.residual_histogram(False, False, True))
    distance, sums = torch.tensor([0.0, 5.0]), torch.empty(4, dtype=torch.float64)
    counter = ctypes.c_int64(0)
    arguments = launch.Arguments(
        counter=ctypes.addressof(counter),
        chunks=1,
        chunk_size=1024,
        logits=distance.data_ptr(),
        rows=2,
        columns=1,
        regions=2,
        sums=sums.data_ptr(),
        width=4,
        mu=0.02,
    )
    kernel.call(ctypes.addressof(arguments))
    assert sums.tolist() == [1, 1, 0, 0]


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch):
    def cache(function):
        raise RuntimeError("something else")

    monkeypatch.setattr(launch, "FunctionCache", cache)
    with pytest.raises(RuntimeError, match="something else"):
        launch.compile_kernel.__wrapped__(entry_points.residual_histogram(False, False, True))


def test_a_second_process_finds_the_compiled_kernel_and_says_nothing(inputs, monkeypatch, caplog):
    both_passes(inputs)
    caplog.clear()
    monkeypatch.setattr(launch._Announcement, "made", False)
    kernel = launch.compile_kernel.__wrapped__(
        entry_points.passes_for("sigmoid", torch.float32, launch.Arguments(target_storage=-1, regions=30)).histogram
    )
    assert kernel.function.cache_hits == 1
    assert not caplog.messages


COMPILING = """
import logging, sys, torch
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from torchghm.kernels.cpu import entry_points, launch
"""


def said_by(code, **environment):
    """The lines of a process of its own: functions that this one has compiled are not compiled again."""
    command = [sys.executable, "-c", COMPILING + code]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_compiled_is_said_once_and_where_it_is_kept(tmp_path):
    code = "for kernel in (entry_points.median(False), entry_points.median(True)):\n    launch.compile_kernel(kernel)\n"
    (said,) = said_by(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert "median_float32" in said
    assert str(tmp_path) in said
    assert said_by(code, NUMBA_CACHE_DIR=str(tmp_path)) == []  # read from the disk


def test_what_no_folder_can_keep_is_said_with_a_remedy():
    (said,) = said_by(
        "def cache(function):\n"
        "    raise RuntimeError('cannot cache function: no locator available for file')\n"
        "launch.FunctionCache = cache\n"
        "launch.compile_kernel(entry_points.median(False))\n"
    )
    assert "median_float32" in said
    assert "NUMBA_CACHE_DIR" in said
