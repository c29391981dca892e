"""Progress of a run: a bar in a terminal; in a log file a line an epoch, and in long epochs a line every so often."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from torchghm.results.average_precision import points
from torchghm.training.loop.datamodule import Batch
from torchghm.training.loop.history import History
from torchghm.training.loop.module import DetectorModule


class RunOfSeveral(NamedTuple):
    """The place of a run among those of a comparison, which take the same number of steps.

    Attributes:
        finished: runs before it.
        runs: all of them.
    """

    finished: int
    runs: int


class TrainingProgress(ProgressBar):
    """Shows epoch, AP, losses, images per second and time left; below it how far all runs are, if there are several.

    Arguments:
        history: whose rows are shown; it has to come before this among the callbacks.
        place: of the run among several; None if it is the only one.
        console: where; by default the standard error, so that results can be piped.
    """

    SECONDS_BETWEEN_LOSSES = 1.0
    """Reading a loss waits for the device."""
    SECONDS_BETWEEN_LINES = 20.0
    """Where there is no bar. The first line comes after two steps: the first of them is not what the others take."""

    def __init__(self, history: History, place: RunOfSeveral | None = None, console: Console | None = None) -> None:
        super().__init__()
        self.history, self.place = history, place
        self.console = console or Console(stderr=True)
        self._enabled = True
        self._bar: Progress | None = None
        self._task = self._all_runs = TaskID(0)
        self._started = 0.0
        self._first_step = 0
        self._images = 0
        self._losses_read = 0.0
        self._line_printed: float | None = None

    def disable(self) -> None:
        """Show nothing: on all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show again."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar."""
        self._started = time.perf_counter()
        self._first_step = trainer.global_step
        self._images = 0
        self._line_printed = None
        if not self._enabled or not self.console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[ap]}{task.fields[losses]}{task.fields[speed]}"),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task(
            self._epoch(trainer), total=_total_steps(trainer), completed=trainer.global_step, ap="", losses="", speed=""
        )
        if self.place is not None:
            self._all_runs = self._bar.add_task(
                "all runs", total=self.place.runs * _total_steps(trainer), ap="", losses="", speed=""
            )
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Move the bar."""
        self._images += len(batch[0]) * trainer.world_size
        now = time.perf_counter()
        if self._bar is None:
            self._print_line(trainer, now)
            return
        if now - self._losses_read >= self.SECONDS_BETWEEN_LOSSES:
            self._losses_read = now
            assert isinstance(pl_module, DetectorModule)
            parts = (("loss", "loss"), ("cls", "classification"), ("box", "bbox_regression"))
            loss = "".join(f" {name} {float(pl_module.newest[f'train/{key}']):.3f}" for name, key in parts)
            speed = f" {self._images / (now - self._started):.1f} images/s, {self._left(trainer)} left"
            self._bar.update(self._task, losses=loss, speed=speed)
        self._bar.update(self._task, completed=trainer.global_step, description=self._epoch(trainer))
        if self.place is not None:
            before = self.place.finished * _total_steps(trainer)
            self._bar.update(self._all_runs, completed=before + trainer.global_step)

    def _print_line(self, trainer: Trainer, now: float) -> None:
        done = trainer.global_step - self._first_step
        is_due = done >= 2 if self._line_printed is None else now - self._line_printed >= self.SECONDS_BETWEEN_LINES
        if not self._enabled or not is_due:
            return
        self._line_printed = now
        speed = f"{self._images / (now - self._started):.1f} images/s, about {self._left(trainer)} left"
        step = f"step {trainer.global_step}/{_total_steps(trainer)}"
        self.console.print(f"{self._epoch(trainer)}  {step}  {speed}", highlight=False, soft_wrap=True)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say why the bar stands still."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self._epoch(trainer)} validation")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's line."""
        if not self._enabled:
            return
        row = self.history.row
        measured = [(name, row.get(key)) for name, key in (("AP", "val/ap"), ("AP50", "val/ap50"))]
        values = [
            (name, row.get(key))
            for name, key in (
                ("loss", "train/loss"),
                ("cls", "train/classification"),
                ("box", "train/bbox_regression"),
                ("cross entropy", "train/cls_plain_loss"),
            )
        ]
        shown = [f"{name} {points(value)}" for name, value in measured if value is not None]
        shown += [f"{name} {value:.3f}" for name, value in values if value is not None]
        shown.append(f"{row['images_per_second']:.1f} images/s")
        shown.append(f"{self._left(trainer)} left")
        self.console.print(f"{self._epoch(trainer)}  " + "  ".join(shown), highlight=False, soft_wrap=True)
        if self._bar is not None and row.get("val/ap") is not None:
            self._bar.update(self._task, ap=f"AP {points(row['val/ap'])}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _epoch(self, trainer: Trainer) -> str:
        return f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"

    def _left(self, trainer: Trainer) -> str:
        done = trainer.global_step - self._first_step
        seconds = (time.perf_counter() - self._started) / max(1, done) * (_total_steps(trainer) - trainer.global_step)
        minutes, seconds = divmod(int(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"


def _total_steps(trainer: Trainer) -> int:
    module = trainer.lightning_module
    assert isinstance(module, DetectorModule)
    return module.total_steps
