"""The folders of a run and of a comparison that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.results.synthetic_folders import write_comparison, write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def comparison_folder(tmp_path: Path) -> Path:
    return write_comparison(tmp_path / "comparison", epochs=2)
