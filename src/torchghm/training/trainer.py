"""Lightning's trainer for a run, and training under it until it ends or Ctrl-C comes."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer

from torchghm.training.loggers.by_name import build_logger
from torchghm.training.loop.checkpoints import KeepCheckpoints, SafeCheckpointIO
from torchghm.training.loop.datamodule import DetectionDataModule
from torchghm.training.loop.early_stopping import StopEarly
from torchghm.training.loop.history import History
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.processes import devices_and_machines, is_first
from torchghm.training.loop.progress import RunOfSeveral, TrainingProgress
from torchghm.training.multi_scale import DrawImageSizes
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.run_folder import RunFolder
from torchghm.training.weight_averaging import AverageWeights

_log = logging.getLogger("torchghm")


def build_trainer(recipe: Recipe, folder: RunFolder, *, progress: bool | RunOfSeveral) -> tuple[Trainer, History]:
    """Build Lightning's trainer for a run.

    Arguments:
        recipe: its section `trainer` is read.
        folder: of the run, where metrics, curves and checkpoints are written.
        progress: show how far the run is, and how far all are, if it is one of several.

    Returns:
        The trainer, and the callback that writes the metrics and knows the seconds spent.

    Raises:
        ValueError: devices that the machine does not have, or a precision that they do not compute in.
        ModuleNotFoundError: the logger's package is not installed.
    """
    settings = recipe.trainer
    devices, machines = devices_and_machines(settings)
    history = History(folder.metrics, folder.class_metrics, folder.betas)
    callbacks: list[Callback] = [history]
    if progress:
        callbacks.append(TrainingProgress(history, progress if isinstance(progress, RunOfSeveral) else None))
    if settings.patience is not None:
        callbacks.append(StopEarly(settings.patience))
    if recipe.data.multi_scale is not None:
        callbacks.append(DrawImageSizes(recipe.data.multi_scale, recipe.seed))
    if settings.ema is not None:
        callbacks.append(AverageWeights(settings.ema))
    try:
        trainer = Trainer(
            max_epochs=settings.epochs,
            accelerator=settings.accelerator,
            devices=devices,
            num_nodes=machines,
            precision=settings.precision,
            accumulate_grad_batches=settings.accumulate,
            deterministic=settings.deterministic,
            use_distributed_sampler=False,  # ours share the images out themselves
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=bool(progress),
            log_every_n_steps=1,
            logger=build_logger(settings.logger, folder),
            callbacks=[*callbacks, KeepCheckpoints(folder.last, folder.best, settings.checkpoint_steps)],
            plugins=[SafeCheckpointIO()],
            default_root_dir=folder.path,
        )
    except MisconfigurationException as error:  # devices that this machine does not have, most of all
        where = f"trainer.accelerator={settings.accelerator}, trainer.devices={settings.devices}"
        raise ValueError(f"{where}: {' '.join(str(error).split())}") from error
    if trainer.precision != settings.precision:  # which Lightning replaces with no more than a warning
        raise ValueError(
            f"Expected `trainer.precision` to be 32-true or bf16-mixed on a CPU, where Lightning does not scale the "
            f"loss as fp16 needs it, but got {settings.precision!r}"
        )
    on_cpu = trainer.strategy.root_device.type == "cpu"
    if settings.precision == "bf16-mixed" and on_cpu and is_first() and not _computes_in_bfloat16():
        _log.warning("trainer.precision: this processor has no bfloat16 arithmetic, 32-true is several times as fast")
    return trainer, history


def _computes_in_bfloat16() -> bool:
    """Return whether the processor computes convolutions in bfloat16."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # none in builds without oneDNN
    return supported is not None and bool(supported())


def fit(
    trainer: Trainer, module: DetectorModule, datamodule: DetectionDataModule, last: Path, *, resumed: bool
) -> None:
    """Train to the end.

    Arguments:
        trainer: of `build_trainer`.
        module: the detector.
        datamodule: the training and validation images.
        last: file of the last checkpoint.
        resumed: whether to go on from it.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message says whether there is a checkpoint to go on from.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=datamodule, ckpt_path=last if resumed else None)
    except SystemExit as exit_:
        # Lightning turns Ctrl-C into this, after it has switched further ones off.
        if not isinstance(exit_.__context__, KeyboardInterrupt):
            raise
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        kept = f"; go on from {last} with --resume" if last.is_file() else ", before the first checkpoint"
        raise KeyboardInterrupt(f"interrupted{kept}") from None
