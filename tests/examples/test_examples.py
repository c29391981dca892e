"""Every example runs to its end, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
HOSTS = {
    "lightning_module.py": "lightning",
    "monai_volumes.py": "monai",
    "plain_loop.py": "torch",
    "rfdetr_criterion.py": "rfdetr",
    "transformers_detection.py": "transformers",
    "transformers_tokens.py": "transformers",
    "ultralytics_yolo.py": "ultralytics",
}


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == HOSTS.keys()


@pytest.mark.parametrize("example", HOSTS)
def test_example_runs(example, tmp_path):
    if find_spec(HOSTS[example]) is None:
        pytest.skip(f"{HOSTS[example]} is not installed: pip install '.[hosts]'")
    environment = {**os.environ, "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / example], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
