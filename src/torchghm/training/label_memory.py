"""The memory of labels in a training run: beside the detector, and in its checkpoints."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from torchghm.data import Records
from torchghm.review.digests import annotation_digests, check_same_annotations
from torchghm.review.memory import LabelMemory
from torchghm.training.loop.checkpoints import SavedDetector
from torchghm.training.loop.module import DetectorModule

LABELS_KEY = "torchghm_labels"
"""Entries of a checkpoint: ``memory``, the state of a `LabelMemory`, ``digests`` of the annotations that it is about,
and the folder that they were read from, ``root``."""


class KeepLabelMemory(Callback):
    """Lets a `LabelMemory` watch the training, and keeps it in checkpoints.

    Arguments:
        records: the training images.
        epochs: of the whole training.
    """

    def __init__(self, records: Records, epochs: int) -> None:
        self.memory = LabelMemory(len(records.labels), len(records), epochs=epochs)
        self._digests = annotation_digests(records)
        self._root = str(records.root.absolute())

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch the detector, on its device."""
        assert isinstance(pl_module, DetectorModule)
        self.memory.to(pl_module.device).watch(pl_module.detector)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fold the epoch in, on every process."""
        self.memory.end_epoch(lambda sums: _summed(trainer, sums))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the memory, on every process."""
        state = self.memory.state_dict(lambda sums: _summed(trainer, sums))
        checkpoint[LABELS_KEY] = {"memory": state, "digests": self._digests, "root": self._root}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on with the memory of the checkpoint."""
        if LABELS_KEY in checkpoint:
            self.memory.load_state_dict(checkpoint[LABELS_KEY]["memory"], first=trainer.is_global_zero)


def check_same_labels(saved: SavedDetector, records: Records) -> None:
    """Refuse to go on with a run on other training labels than its memory is about.

    Its second half would be another training, and the memory that of two.

    Raises:
        ValueError: the annotations that differ are named.
    """
    if LABELS_KEY in saved.content:
        check_same_annotations(records, saved.classes, saved.content[LABELS_KEY]["digests"])


def _summed(trainer: Trainer, sums: Tensor) -> Tensor:
    total: Tensor = trainer.strategy.reduce(sums.clone(), reduce_op="sum")  # which sums in place
    return total
