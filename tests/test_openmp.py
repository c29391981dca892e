"""Threads wait briefly where the command line says so, not by an import, and never against what the user set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from torchghm import openmp

CLEAN = {name: value for name, value in os.environ.items() if name not in (openmp.VARIABLE, "OMP_WAIT_POLICY")}
OF_CLI = "from torchghm import cli\nfrom torchghm.cli import app\napp.app = lambda prog_name: None\ncli.main()"


@pytest.mark.parametrize(
    ("program", "environment", "expected"),
    [
        ("from torchghm import openmp\nopenmp.wait_briefly()", {}, "10000"),
        (OF_CLI, {}, "10000"),
        ("import torchghm", {}, "None"),
        (OF_CLI, {"GOMP_SPINCOUNT": "7"}, "7"),
        (OF_CLI, {"OMP_WAIT_POLICY": "ACTIVE"}, "None"),
    ],
)
def test_what_is_set(program, environment, expected):
    ask = f"{program}\nimport os\nprint(os.environ.get('GOMP_SPINCOUNT'))"
    found = subprocess.run(
        [sys.executable, "-c", ask], env={**CLEAN, **environment}, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == expected
