"""Whether two runs ended in the same state, to the bit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch

from torchghm.training.run_folder import RunFolder

TIMES = ("images_per_second", "seconds")
PLACES = ("/torchghm_labels/root",)
"""Entries of a checkpoint that say where the data were, which may be tar shards of the same images."""


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Every leaf of nested dictionaries and lists, by its place."""
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {name: leaf for key, entry in items for name, leaf in flat(entry, f"{prefix}/{key}").items()}
    return {prefix: value}


def state(path: Path) -> dict[str, Any]:
    """Read a checkpoint's weights, losses' state, optimiser, schedule, scaler and best AP so far."""
    content = torch.load(path, weights_only=True)
    kept = (
        *("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers", "callbacks"),
        *("torchghm_labels", "torchghm_training_weights"),
    )
    leaves = flat({key: content.get(key) for key in kept})
    return {name: leaf for name, leaf in leaves.items() if "seconds" not in name and name not in PLACES}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def assert_same_run(run: Path, expected: Path) -> None:
    """Checkpoints, tables and results are equal, but for the time that things took."""
    one, other = RunFolder(run), RunFolder(expected)
    for which in ("last", "best"):
        got, want = state(one.checkpoint(which)), state(other.checkpoint(which))
        assert got.keys() == want.keys()
        differing = [
            name
            for name, value in want.items()
            if not (torch.equal(got[name], value) if isinstance(value, torch.Tensor) else got[name] == value)
        ]
        assert not differing, differing
        assert any(isinstance(value, torch.Tensor) and "density_state" in name for name, value in want.items())
    for file in ("metrics", "class_metrics", "betas"):
        assert rows(getattr(one, file)) == rows(getattr(other, file))
    got, want = (json.loads(folder.results.read_text()) for folder in (one, other))
    assert {**got, "seconds": 0} == {**want, "seconds": 0}
