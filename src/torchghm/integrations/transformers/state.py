"""Save a loss's averages over iterations with the Trainer's checkpoints, and see that the loss is called."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from torchghm.atomic_files import replaced

FILE = "torchghm.pt"
"""Beside the weights of a checkpoint."""


class _Stateful(Protocol):
    calls: int

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> None: ...


class StateCallback(TrainerCallback):  # type: ignore[misc]
    """Saves the states of losses with every checkpoint, and restores them when training resumes.

    Without it a resumed training starts its densities anew, and that is all it loses. The first step raises a
    RuntimeError if the losses were not called in it.

    Arguments:
        losses: a `TaskLoss`, or a model that `harmonize` gave its losses.
        checkpoint: the folder to restore from; None for the one of this step in the Trainer's ``output_dir``.

    Examples:
        >>> StateCallback(torch.nn.Linear(1, 1))
        Traceback (most recent call last):
            ...
        TypeError: Expected argument `losses` to be a TaskLoss or a harmonized model, but got Linear.
    """

    def __init__(self, losses: Any, checkpoint: str | Path | None = None) -> None:
        source = getattr(losses, "_loss_function", losses)
        if not hasattr(source, "calls") or not hasattr(source, "load_state_dict"):
            raise TypeError(
                f"Expected argument `losses` to be a TaskLoss or a harmonized model, but got {type(losses).__name__}."
            )
        self.losses: _Stateful = source
        self.checkpoint = checkpoint
        self._calls_before = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Restore the states where training goes on."""
        self._calls_before = self.losses.calls
        if state.global_step == 0 and self.checkpoint is None:
            return
        file = Path(self.checkpoint or _folder(args, state)) / FILE
        if not file.exists():
            warnings.warn(f"There is no {file}: the densities of the losses start anew.", stacklevel=2)
            return
        self.losses.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Raise a RuntimeError after a first step without a call of the losses."""
        if self.losses.calls == self._calls_before:
            raise RuntimeError(
                "The harmonized losses were not called in the first step: the model or the Trainer computes another "
                "loss. Is `compute_loss_func` given to the Trainer, or the harmonized model itself trained?"
            )

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Save the states: all processes have the same."""
        if state.is_world_process_zero:
            with replaced(_folder(args, state) / FILE) as file:
                torch.save(self.losses.state_dict(), file)


def _folder(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
