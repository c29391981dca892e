"""Kernels compiled for processors with narrower vectors than this one has, or none, as Numba's own settings allow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from torchghm.kernels.cpu.simd.vectors import LANES

ROOT = Path(__file__).parents[4]
CASES = (
    "tests/kernels/cpu/simd/test_arithmetic.py",
    "tests/kernels/cpu/simd/test_delayed_tables.py",
    "tests/kernels/cpu/simd/test_loads_and_stores.py",
    "tests/kernels/cpu/simd/test_region_edges.py",
    "tests/kernels/cpu/simd/test_register_tables.py",
    "tests/kernels/cpu/test_histogram_pass.py",
    "tests/kernels/cpu/softmax",
    "tests/kernels/cpu/test_passes.py::test_both_passes_put_every_example_in_the_same_region",
    "tests/kernels/cpu/test_passes.py::test_large_gradients_are_written_past_the_caches",
)
AVX2 = "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+popcnt,+sse4.2"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"NUMBA_CPU_NAME": "generic"}, id="generic"),
        pytest.param(
            {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2},
            id="avx2",
            marks=pytest.mark.skipif(LANES <= 8, reason="the other tests compile for AVX2 or less here"),
        ),
    ],
)
def test_narrower_processors(settings):
    # Without fused multiply-add, which "generic" lacks, the exponential is good to fewer digits than the test asks for.
    others = "not test_exp and not test_sigmoid"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", others, *CASES]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
