"""Files that a run rewrites after every epoch: metrics, metrics by class, betas; and the curves for TensorBoard."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from torchghm.atomic_files import write_text
from torchghm.results.columns import BETA_COLUMNS, CLASS_COLUMNS, METRIC_COLUMNS
from torchghm.training.loop.datamodule import Batch
from torchghm.training.loop.module import DetectorModule


class EpochTable:
    """A CSV file with a column `epoch`, rewritten as a whole whenever rows are added.

    Arguments:
        path: of the file.
        columns: names; a row's other entries are left out, missing ones stay empty.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = columns
        self.rows: list[dict[str, str]] = []

    def keep_before(self, epoch: int) -> None:
        """Take over the rows of an interrupted run up to where it goes on."""
        if self.path.is_file():
            try:
                with self.path.open(encoding="utf-8", newline="") as file:
                    self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{str(self.path)!r} can't be read: {error!r}") from error

    def add(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Add rows and write the file."""
        self.rows += [{name: _cell(row.get(name)) for name in self.columns} for row in rows]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())


class History(Callback):
    """Gathers every epoch's metrics.

    Arguments:
        metrics: file of the metrics.
        class_metrics: file of the average precision by class.
        betas: file of the harmonizing weights; written if a loss has any.
    """

    def __init__(self, metrics: Path, class_metrics: Path, betas: Path) -> None:
        self.metrics = EpochTable(metrics, METRIC_COLUMNS)
        self.class_metrics = EpochTable(class_metrics, CLASS_COLUMNS)
        self.betas = EpochTable(betas, BETA_COLUMNS)
        self.row: dict[str, float | None] = {}
        """The newest row of metrics."""
        self.seconds = 0.0
        """Spent so far, interruptions not counted."""
        self._since = 0.0
        self._lr = 0.0
        self._images = 0
        self._training_seconds = 0.0
        self._training_since = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on where an interrupted run stopped."""
        self._since = self._training_since = time.perf_counter()
        self._images = 0
        self.metrics.keep_before(trainer.current_epoch)
        self.class_metrics.keep_before(trainer.current_epoch)
        self.betas.keep_before(trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._images = 0
        self._training_since = time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Note the learning rate of the step: afterwards it is already that of the next."""
        self._lr = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Count images."""
        self._images += len(batch[0]) * trainer.world_size

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock: images per second are those of training."""
        self._training_seconds = time.perf_counter() - self._training_since

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch down. Before the checkpoint, so that a kill in between loses no row."""
        assert isinstance(pl_module, DetectorModule)
        means = pl_module.training_means()  # on every process
        validation = pl_module.validation.metrics if pl_module.validation else {}
        self.row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            **{f"val/{name}": value for name, value in validation.items()},
            **means,
            "lr": self._lr,
            "images_per_second": self._images / max(self._training_seconds, 1e-9),
        }
        now = time.perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        if not trainer.is_global_zero:
            return
        self.metrics.add([self.row])
        by_class = pl_module.validation.per_class if pl_module.validation else {}
        self.class_metrics.add(
            [{"epoch": trainer.current_epoch, "class": name, "ap": value} for name, value in by_class.items()]
        )
        betas = [
            row
            for kind, loss in (("cls", pl_module.detector.cls_loss), ("box", pl_module.detector.box_loss))
            for row in _beta_rows(kind, trainer.current_epoch, getattr(loss, "diagnostics", None))
        ]
        if betas:
            self.betas.add(betas)
        every = {**self.row, **{f"val/ap/{name}": value for name, value in by_class.items()}}
        curves = {name: value for name, value in every.items() if value is not None and name != "step"}
        for logger in trainer.loggers:
            logger.log_metrics(curves, step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        return {"seconds": self.seconds + time.perf_counter() - self._since}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.seconds = state_dict["seconds"]


def _beta_rows(kind: str, epoch: int, diagnostics: Any) -> list[dict[str, object]]:
    """Return a loss's weight of every region, as the last step of the epoch saw it."""
    beta: Tensor | None = getattr(diagnostics, "beta", None)
    if beta is None:
        return []
    bins = beta.numel()
    pairs = zip(diagnostics.fractions.tolist(), beta.tolist(), strict=True)
    return [
        {"loss": kind, "epoch": epoch, "region": region, "lower": region / bins, "upper": (region + 1) / bins,
         "fraction": fraction, "beta": weight}
        for region, (fraction, weight) in enumerate(pairs)
    ]  # fmt: skip


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
