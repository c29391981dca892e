from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.training.tiny import TINY, write_tiny_data

from torchghm.training import train
from torchghm.training.run_folder import RunFolder


class TrainedRun(NamedTuple):
    folder: RunFolder
    results: dict[str, Any]


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_data(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="session")
def trained(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainedRun]:
    """A finished run of `TINY`, not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "ghm"
    yield TrainedRun(RunFolder(out), train(tiny_data, recipe=TINY, out=out, progress=False))
    shutil.rmtree(out)  # checkpoints of 230 MB


@pytest.fixture
def run_path(tmp_path: Path) -> Iterator[Path]:
    """Where a test may train; removed afterwards."""
    yield tmp_path / "run"
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
