"""The Triton kernels, each way in a process of its own: Triton reads TRITON_INTERPRET when it is imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def release(package: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version(package).split(".")[:2])


needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
interpreter = pytest.param(
    "interpreter",
    marks=pytest.mark.skipif(
        find_spec("triton") is not None and release("triton") < (3, 8),
        reason="before Triton 3.8 the interpreter's minimum propagates NaN, unlike the compiled kernel's",
    ),
)
DEVICES = [interpreter, *(["gpu"] if torch.cuda.is_available() else [])]


def run_cases(file: str, *, interpret: bool) -> int:
    """Run a file of cases; return how many passed, all of them."""
    environment = os.environ | {"TRITON_INTERPRET": "1" if interpret else "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", str(HERE / file)]
    result = subprocess.run(command, cwd=HERE.parents[2], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    summary = re.fullmatch(r"=* ?(\d+) passed(, \d+ warnings?)? in .*", result.stdout.splitlines()[-1])
    assert summary, result.stdout[-2000:]
    return int(summary[1])


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
def test_values(device):
    """Run all cases in Triton's interpreter and, where there is one, on a GPU."""
    assert run_cases("cases.py", interpret=device == "interpreter") >= 110


@needs_triton
def test_compiles():
    """Every kernel compiles for a real target, with the instructions that make it fast."""
    assert run_cases("compile_cases.py", interpret=False) >= 12


def test_import_needs_no_triton():
    command = "import sys, torchghm, torchghm.kernels.ops; print('triton' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
