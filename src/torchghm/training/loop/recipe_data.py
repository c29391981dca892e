"""The data set of a recipe: read, with the split that is asked for, and identified by a digest."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchghm.data import DetectionData, Records, load_data
from torchghm.data.problems import counted
from torchghm.training.loop.processes import is_first
from torchghm.training.recipes.fitting import fitting_recipe
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.sections import DataRecipe

_log = logging.getLogger("torchghm")


def load_recipe_data(root: str | Path, recipe: DataRecipe) -> DetectionData:
    """Read a data set as a recipe says; what had to be dropped or clipped is logged with a count."""
    data = load_data(
        root,
        layout=recipe.layout,
        strict=recipe.strict,
        val_fraction=recipe.val_fraction,
        test_fraction=recipe.test_fraction,
        split_seed=recipe.split_seed,
        shards_at=recipe.shards_at,
        boxes=recipe.boxes,
        crowds=recipe.crowds,
        unlabelled=recipe.unlabelled,
    )
    if is_first() and data.root.resolve() != Path(root).resolve():
        _log.warning("%s: the data set found below it is %s", root, data.root)
    for line in counted(data.problems) if is_first() else ():
        _log.warning("%s: %s", data.root, line)
    return data


def load_fitting(root: str | Path, values: Mapping[str, Any] | None = None) -> tuple[DetectionData, Recipe]:
    """Read a data set for which no recipe is said, and return it with the recipe that fits it.

    Arguments:
        root: folder of the data.
        values: of the recipe, by dotted key.
    """
    data = load_recipe_data(root, fitting_recipe(1, values).data)
    images = len(data.select("train"))
    recipe = fitting_recipe(images, values)
    if is_first():
        epochs = recipe.trainer.epochs
        chosen = f"recipe {recipe.name}, {epochs} epochs, for {images} training images"
        _log.warning(
            "%s; --recipe NAME for another one, --set trainer.epochs=%d for half the time", chosen, (epochs + 1) // 2
        )
    return data, recipe


def with_boxes(data: DetectionData, split: str) -> Records:
    """Return the images of a split, or of several joined by commas.

    Raises:
        ValueError: there is no such split, or it has no image or no box.
    """
    records = data.select(split)
    if not (~records.crowd).any():
        raise ValueError(f"the split {split!r} of {data.root} has no box: there is nothing to learn from or judge by")
    return records


def annotations_digest(data: DetectionData) -> str:
    """Return a digest of the data's classes, images and boxes."""
    digest = hashlib.sha256(json.dumps(data.classes).encode())
    for split, records in data.splits.items():
        digest.update(json.dumps([split, records.names()]).encode())
        for column in (records.offsets, records.boxes, records.labels, records.crowd):
            digest.update(column.tobytes())
    return digest.hexdigest()
