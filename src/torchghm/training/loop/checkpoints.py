"""Checkpoints: the last and the best, written whole or not at all, read without running code that they bring."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from torchghm.atomic_files import replaced
from torchghm.detection.backbones.backbone_weights import why_unreadable
from torchghm.training.loop.datamodule import Batch
from torchghm.training.loop.module import CHECKPOINT_KEY, DetectorModule, is_loss_state
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.values import checked


class SavedDetector(NamedTuple):
    """The contents of a checkpoint."""

    path: Path
    recipe: Recipe
    classes: tuple[str, ...]
    epochs: int
    """Finished epochs."""
    steps: int
    """Optimiser steps."""
    content: dict[str, Any]

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse data of other classes.

        Raises:
            ValueError: both lists are named.
        """
        if tuple(classes) != self.classes:
            raise ValueError(
                f"the checkpoint {str(self.path)!r} is of other classes: it has {', '.join(self.classes)}; "
                f"the data have {', '.join(classes)}"
            )

    def module(self) -> DetectorModule:
        """Return the trained detector, on the CPU and in evaluation mode.

        Raises:
            ValueError: the weights don't fit the recipe that came with them, or are not finite.
        """
        module = DetectorModule(self.recipe, self.classes, with_weights=False)
        try:
            module.load_state_dict(self.content["state_dict"])
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"the checkpoint {self.path} does not fit its own recipe: {error}") from error
        for name, value in module.state_dict().items():
            if not is_loss_state(name) and not value.isfinite().all():
                raise ValueError(f"Expected the weights in {str(self.path)!r} to be finite, but got others in {name!r}")
        return module.eval()


def load_checkpoint(path: Path) -> SavedDetector:
    """Read a checkpoint.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is no checkpoint of ours.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {str(path)!r}")
    try:
        # Mapped: of a checkpoint, evaluation needs a third, and the optimiser's moments are the rest.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a truncated zip, a pickle of other things, a text: each fails in its own way
        raise ValueError(f"the checkpoint {str(path)!r} can't be read: {why_unreadable(path, error)}") from error
    about = content.get(CHECKPOINT_KEY) if isinstance(content, dict) else None
    if about is None:
        raise ValueError(f"Expected {str(path)!r} to be a checkpoint of `torchghm train`, but got another file")
    try:
        values, classes = about["recipe"], tuple(about["classes"])
        epochs = content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        steps = content["global_step"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"the checkpoint {str(path)!r} is incomplete: {error!r}") from error
    recipe = checked(Recipe, values, f"the checkpoint {str(path)!r}")
    return SavedDetector(path, recipe, classes, epochs, steps, content)


@contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Let Ctrl-C wait until a file is whole: in the middle, torch makes another error of it, or loses it."""
    # A handler that is not Python's (None) could not be put back.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    interrupts: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if interrupts:
        signal.raise_signal(signal.SIGINT)


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes beside the place and renames: a kill or a full disk leaves the one before. Reads data alone, no code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            WriteError: it could not be written.
        """
        with _interrupted_afterwards(), replaced(Path(path)) as temporary, temporary.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # with which torch hides why a file could not be written
                raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, by default into the CPU's memory: the device that it was made on may not be there."""
        content: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        return content


class KeepCheckpoints(Checkpoint):
    """Saves `last.ckpt` after every epoch, and `best.ckpt` when the validation AP is the highest so far.

    Arguments:
        last, best: the files.
        steps: save the last one also within an epoch, after every so many of its steps; None for its end alone.
    """

    def __init__(self, last: Path, best: Path, steps: int | None = None) -> None:
        self.last = last
        self.best = best
        self.steps = steps
        self.best_ap = -1.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Save between two steps of an epoch; after its last one it is not over yet."""
        assert isinstance(pl_module, DetectorModule)
        step, part = divmod(batch_idx + 1, trainer.accumulate_grad_batches)
        is_due = self.steps is not None and part == 0 and step % self.steps == 0
        if is_due and step < pl_module.steps_per_epoch and trainer.global_step < pl_module.total_steps:
            trainer.save_checkpoint(self.last)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, after all other callbacks have done their work of the epoch."""
        assert isinstance(pl_module, DetectorModule)
        ap = pl_module.validation.metrics["ap"] if pl_module.validation else None
        improved = ap is not None and ap > self.best_ap
        if ap is not None and improved:
            self.best_ap = ap
        # The best one first: a run that is killed in between goes on from the epoch before, and finds it best again.
        trainer.save_checkpoint(self.best if improved else self.last)
        if improved and trainer.is_global_zero:
            with replaced(self.last) as temporary:
                try:
                    os.link(self.best, temporary)  # the same bytes; the next of either is another file
                except OSError:
                    shutil.copyfile(self.best, temporary)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        return {"best_ap": self.best_ap}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best_ap = state_dict["best_ap"]
