"""A folder in which commands of all kinds have something to work on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import torchghm
from tests.training.tiny import TINY, write_tiny_data

from torchghm.training.recipes.files import recipe_yaml


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, a recipe and a run, the latter made by the command."""
    place = tmp_path_factory.mktemp("cli")
    write_tiny_data(place / "data")
    (place / "tiny.yaml").write_text(recipe_yaml(TINY))
    result = torchghm(
        "train", "--data", place / "data", "--recipe", place / "tiny.yaml", "--out", place / "run",
        "--set", "trainer.epochs=1", "--set", "loss.cls=focal",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "focal + ghmr on val,test, after 1 epoch" in result.stdout
    assert f"run folder: {place / 'run'}" in result.stdout
    assert "epoch 1/1  AP " in result.stderr
    yield place
    shutil.rmtree(place)


@pytest.fixture(autouse=True)
def without_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchghm.cli.errors._settings", {"traceback": False})
