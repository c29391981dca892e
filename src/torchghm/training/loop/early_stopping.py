"""The end of a run whose validation AP has stopped to rise."""

from __future__ import annotations

import logging
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.processes import is_first

_log = logging.getLogger("torchghm")


class StopEarly(Callback):
    """Ends the training after so many epochs without a higher validation AP. Its count is part of checkpoints.

    Arguments:
        patience: epochs, at least 1.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_ap = -1.0
        self.waited = 0
        """Epochs since the highest AP."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train no more where the last epoch was over before the run was interrupted."""
        self._stop_when_due(trainer)
        if trainer.should_stop and is_first():
            _log.warning(
                "trainer.patience: the run has ended, %d epochs without a higher AP; raise it to go on (null: never)",
                self.waited,
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the epoch. The validation is over by then, and the checkpoint not written yet."""
        assert isinstance(pl_module, DetectorModule)
        ap = pl_module.validation.metrics["ap"] if pl_module.validation else None
        self.waited = 0 if ap is not None and ap > self.best_ap else self.waited + 1
        self.best_ap = self.best_ap if ap is None else max(self.best_ap, ap)
        self._stop_when_due(trainer)

    def _stop_when_due(self, trainer: Trainer) -> None:
        if self.waited >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        return {"best_ap": self.best_ap, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best_ap, self.waited = state_dict["best_ap"], state_dict["waited"]
