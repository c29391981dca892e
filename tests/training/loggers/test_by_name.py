from __future__ import annotations

import sys
from pathlib import Path

import pytest

from torchghm.results.files import RunFiles
from torchghm.training.loggers.by_name import build_logger
from torchghm.training.loggers.tensorboard import TensorBoardCurves


def test_curves_go_to_tensorboard_or_nowhere_but_the_table(tmp_path):
    run = RunFiles(tmp_path / "run")
    assert build_logger("csv", run) is False
    logger = build_logger("tensorboard", run)
    assert isinstance(logger, TensorBoardCurves)
    assert Path(logger.log_dir) == run.tensorboard


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_package_that_is_not_there_is_named(monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=f"trainer.logger={name} needs {name}.*: pip install {name}$"):
        build_logger(name, RunFiles(tmp_path))
