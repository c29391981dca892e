"""Lightning's logger that a recipe names, for the curves of a run."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from torchghm.results.files import RunFiles
from torchghm.training.loggers.tensorboard import TensorBoardCurves

PROJECT = "torchghm"
"""The project of wandb and the experiment of mlflow; their own variables (WANDB_PROJECT, MLFLOW_EXPERIMENT_NAME) and
settings say where they write."""


def build_logger(name: Literal["tensorboard", "csv", "wandb", "mlflow"], run: RunFiles) -> Logger | Literal[False]:
    """Return the logger; False for csv, because every run has its metrics.csv.

    Arguments:
        name: as in the recipe's ``trainer.logger``.
        run: the run's files; its folder's name is that of the run.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    if name == "csv":
        return False
    if find_spec(name) is None:
        raise ModuleNotFoundError(
            f"trainer.logger={name} needs {name}, which is not installed: pip install {name}", name=name
        )
    if name == "wandb":
        return WandbLogger(name=run.path.name, save_dir=run.path, project=PROJECT)
    if name == "mlflow":
        return MLFlowLogger(experiment_name=PROJECT, run_name=run.path.name)
    return TensorBoardCurves(run.tensorboard)
