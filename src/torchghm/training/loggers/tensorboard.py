"""The curves of a run, as TensorBoard reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from torchghm.atomic_files import write_error


class TensorBoardCurves(TensorBoardLogger):
    """Writes event files into a folder; where they can't be written, the error names it.

    Arguments:
        folder: of the event files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.parent, name=folder.name, version="")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each curve."""
        with self._named_errors():
            super().log_metrics(metrics, step)

    def finalize(self, status: str) -> None:
        """Write what is still in memory."""
        with self._named_errors():
            super().finalize(status)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            # Lightning takes whatever TensorBoard's writer says for a value that is no number.
            reason = error.__cause__ if isinstance(error, ValueError) else error
            if not isinstance(reason, OSError):
                raise
            raise write_error(Path(self.log_dir), reason) from error
