"""`metrics.csv` and `beta_history.csv` of a run, read and checked (docs/run-folder.md)."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torchghm.results.arrays import Array


@dataclass(frozen=True)
class WeightHistory:
    """Harmonizing weights over training: epochs [E] (from 0) and beta [E, M], nan where nothing was written."""

    epochs: Array
    beta: Array


def _read_rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file with the columns needed; none where the file is missing."""
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            columns = list(reader.fieldnames or [])
            if not set(needed) <= set(columns):
                raise ValueError(f"Expected {path} to have the columns {', '.join(needed)}, but got {columns}")
            return list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"Expected {path} to be CSV in UTF-8, but got: {error}") from error


def _cell(path: Path, line: int, column: str, text: str) -> float:
    """Return a number of a CSV file, nan where its cell is empty or infinite (a loss that diverged leaves a gap)."""
    try:
        number = float(text) if text.strip() else math.nan
        return number if math.isfinite(number) else math.nan
    except ValueError:
        raise ValueError(
            f"Expected a number in {path}, line {line}, column `{column}`, but got {text[:40]!r}"
        ) from None


def read_metrics(path: Path) -> dict[str, Array]:
    """Return the columns of `metrics.csv`, none where there is no file; empty cells are nan."""
    rows = _read_rows(path, ("epoch",))
    columns = [name for name in rows[0] if name] if rows else []
    history = {
        name: np.array([_cell(path, line, name, row[name]) for line, row in enumerate(rows, start=2)])
        for name in columns
    }
    if rows and not np.isfinite(history["epoch"]).all():
        raise ValueError(f"Expected column `epoch` in {path} to be a number in each row, but got an empty cell")
    return history


def read_weights(path: Path) -> dict[str, WeightHistory]:
    """Return the harmonizing weights of each loss, none where there is no file."""
    cells: dict[str, dict[tuple[float, int], float]] = {}
    for line, row in enumerate(_read_rows(path, ("loss", "epoch", "region", "beta")), start=2):
        epoch, region, beta = (_cell(path, line, column, row[column]) for column in ("epoch", "region", "beta"))
        if not (math.isfinite(epoch) and 0 <= region < 10_000) or beta < 0:
            raise ValueError(
                f"Expected {path}, line {line} to give an epoch, a region from 0 and a beta of at least 0 "
                f"but got {epoch}, {region}, {beta}"
            )
        cells.setdefault(row["loss"], {})[epoch, int(region)] = beta
    histories = {}
    for loss, of_loss in cells.items():
        epochs = sorted({epoch for epoch, _ in of_loss})
        beta_table = np.full((len(epochs), 1 + max(region for _, region in of_loss)), np.nan)
        for (epoch, region_index), beta in of_loss.items():
            beta_table[epochs.index(epoch), region_index] = beta
        histories[loss] = WeightHistory(np.array(epochs), beta_table)
    return histories
