"""MKL is made reproducible by the command line, not by an import, and never against what the user set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from torchghm import mkl

# As after a start from a shell that sets nothing.
CLEAN = {name: value for name, value in os.environ.items() if name != mkl.VARIABLE}
ASK = "import torch; torch.ones(9, 9) @ torch.ones(9, 9); from torchghm import mkl; print(mkl.is_reproducible())"


def ask(before: str = "", environment: dict[str, str] = CLEAN) -> str:
    command = [sys.executable, "-c", f"{before}\n{ASK}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_set_before_torch_is_imported():
    assert ask("from torchghm import mkl; mkl.set_reproducible()") == "True"


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this build of torch has no MKL to set")
def test_an_import_changes_nothing_and_too_late_is_noticed():
    assert ask("import torchghm") == "False"
    late = "import torch; torch.ones(999, 999) @ torch.ones(999, 999); from torchghm import mkl; mkl.set_reproducible()"
    assert ask(late) == "False"


def test_what_the_user_set_stays():
    before = "from torchghm import mkl; mkl.set_reproducible(); import os; assert os.environ['MKL_CBWR'] == 'AVX2'"
    assert ask(before, {**CLEAN, mkl.VARIABLE: "AVX2"}) == "True"


def test_the_command_line_sets_it_for_itself_and_what_it_starts():
    before = """
import os, subprocess, sys
from torchghm import cli
from torchghm.cli import app
app.app = lambda prog_name: None  # the commands themselves: test_cli.py
cli.main()
command = [sys.executable, "-c", "import os; print(os.environ['MKL_CBWR'])"]
assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == "AUTO,STRICT"
"""
    assert ask(before) == "True"
