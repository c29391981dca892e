"""Every block of Python in README.md and docs/ runs, in a process of its own and in a folder of its own.

Those of docs/hosts.md are lines to put into a host's own script, which `examples/` has whole: of them the imports run.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FRAGMENTS = "hosts"
BEFORE = {
    # A model that is saved, and gets its loss afterwards.
    "old.pt": """
import torch, torchghm
model = torch.nn.Sequential(torch.nn.Linear(2, 3))
torch.save(model.state_dict(), "old.pt")
model.criterion = torchghm.GHMCLoss()
"""
}
"""Statements that a block that names a file takes as given."""
BLOCKS = {
    f"{path.stem}-{number}": block
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(BLOCK.findall(path.read_text()))
}


def runs(code: str, folder: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", [name for name in BLOCKS if not name.startswith(FRAGMENTS)])
def test_block_runs(name, tmp_path):
    given = [setup for file, setup in BEFORE.items() if file in BLOCKS[name]]
    runs("\n".join([*given, BLOCKS[name]]), tmp_path)


def test_fragments_import_what_there_is(tmp_path):
    blocks = [ast.parse(block) for name, block in BLOCKS.items() if name.startswith(FRAGMENTS)]
    imports = [node for block in blocks for node in block.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert len(imports) >= 5
    runs("\n".join(ast.unparse(node) for node in imports), tmp_path)
