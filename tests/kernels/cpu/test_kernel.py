"""How kernels are compiled and kept: by two processes, announced, and read from the disk by the next."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest
import torch

from torchghm.kernels.cpu import entry_points, kernel

RESIDUAL = "entry_points.residual_histogram(False, False, True), entry_points.median(False)"


def test_compiled_once_where_no_folder_can_be_written(monkeypatch):
    def cache(function):
        raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")

    monkeypatch.setattr(kernel, "FunctionCache", cache)
    compiled = kernel.compile_kernel.__wrapped__(entry_points.residual_histogram(False, False, True))
    distance, sums = torch.tensor([0.0, 5.0]), torch.empty(4, dtype=torch.float64)
    counter = ctypes.c_int64(0)
    arguments = kernel.Arguments(
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
    compiled.call(ctypes.addressof(arguments))
    assert sums.tolist() == [1, 1, 0, 0]


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch):
    def cache(function):
        raise RuntimeError("something else")

    monkeypatch.setattr(kernel, "FunctionCache", cache)
    with pytest.raises(RuntimeError, match="something else"):
        kernel.compile_kernel.__wrapped__(entry_points.residual_histogram(False, False, True))


def test_a_second_process_finds_the_compiled_kernel_and_says_nothing(monkeypatch, caplog):
    function = entry_points.sigmoid_histogram(False, False, False, False, False)
    kernel.compile_kernel(function)
    caplog.clear()
    monkeypatch.setattr(kernel._Announcement, "made", False)
    compiled = kernel.compile_kernel.__wrapped__(function)
    assert compiled.function.cache_hits == 1
    assert not caplog.messages


COMPILING = """
import logging, sys, torch
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from torchghm.kernels.cpu import entry_points, kernel
"""


def said_by(code, **environment):
    """The lines of a process of its own: functions that this one has compiled are not compiled again."""
    command = [sys.executable, "-c", COMPILING + code]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_compiled_is_said_once_and_where_it_is_kept(tmp_path):
    code = "for double in (False, True):\n    kernel.compile_kernel(entry_points.median(double))\n"
    (said,) = said_by(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert "median_float32" in said
    assert str(tmp_path) in said
    assert said_by(code, NUMBA_CACHE_DIR=str(tmp_path)) == []  # read from the disk


def test_what_no_folder_can_keep_is_said_with_a_remedy():
    (said,) = said_by(
        "def cache(function):\n"
        "    raise RuntimeError('cannot cache function: no locator available for file')\n"
        "kernel.FunctionCache = cache\n"
        "kernel.compile_kernel(entry_points.median(False))\n"
    )
    assert "median_float32" in said
    assert "NUMBA_CACHE_DIR" in said


COUNTED = f"""
from numba.core.event import Listener, install_listener
compiled = []
class Compiled(Listener):
    def on_start(self, event):
        compiled.append(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event):
        pass
torch.set_num_threads(2)
with install_listener("numba:compile", Compiled()):
    kernel.compile_kernels([{RESIDUAL}])
    first = len(compiled)
    kernel.compile_kernel(entry_points.residual_histogram(False, False, True))
print("find_regions" in compiled[:first], "find_regions" in compiled)
"""


def test_a_second_process_compiles_pass_1(tmp_path):
    assert said_by(COUNTED, NUMBA_CACHE_DIR=str(tmp_path))[-1] == "False False"


def test_a_second_process_that_fails_is_done_without(tmp_path):
    code = "sys.executable = '/bin/false'\n" + COUNTED
    assert said_by(code, NUMBA_CACHE_DIR=str(tmp_path))[-1] == "False True"  # compiled by whoever calls it


@pytest.mark.parametrize(("name", "value"), [("executable", "/nowhere/python"), ("executable", ""), ("frozen", True)])
def test_a_second_process_that_can_not_start_is_done_without(monkeypatch, name, value):
    monkeypatch.setattr(sys, name, value, raising=False)
    assert kernel._start_compiling([entry_points.residual_histogram(False, False, True)]) is None
