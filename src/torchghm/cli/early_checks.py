"""Mistakes in arguments that are told in a moment: nothing here imports torch, which takes seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchghm.training.recipes.recipe import Recipe


def check_folder(data: Path) -> None:
    """Refuse a data folder that is not there.

    Raises:
        FileNotFoundError: the folder is named.
    """
    if not data.exists():
        raise FileNotFoundError(f"the data folder {str(data)!r} does not exist: name another one with --data")


def check_run(run: Path) -> None:
    """Refuse what is neither a checkpoint nor a run that has one.

    Raises:
        FileNotFoundError: the run or the checkpoint is named.
    """
    from torchghm.training.run_folder import checkpoint_of

    checkpoint_of(run)


def check_out(out: Path, recipe: Recipe, *, overwrite: bool) -> None:
    """Refuse the folder of a new run that holds something else.

    Of several processes each may see what the first one has written by then: `torchghm.training.run` asks the first.

    Raises:
        FileExistsError: the folder is named.
    """
    from torchghm.training.run_folder import RunFolder

    if not {"RANK", "LOCAL_RANK", "SLURM_PROCID"} & os.environ.keys():
        RunFolder(out).check(recipe, overwrite=overwrite)


def read_settings(settings: list[str], recipe: str | Path | None) -> tuple[dict[str, Any], Recipe]:
    """Return the values of ``--set`` by dotted key, and the recipe that they make.

    Arguments:
        settings: ``KEY=VALUE``.
        recipe: a name or a file; None is the one that fits the data, here for a single image.

    Raises:
        FileNotFoundError: no such recipe.
        ValueError: an unknown key or a value out of range.
    """
    from torchghm.training.recipes.files import load_recipe
    from torchghm.training.recipes.fitting import fitting_recipe
    from torchghm.training.recipes.values import read_assignments

    values = read_assignments(settings)
    return values, fitting_recipe(1, values) if recipe is None else load_recipe(recipe, values)
