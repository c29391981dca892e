"""The block that a training opens with: what it found, and what it is about to do."""

from __future__ import annotations

from collections.abc import Sequence

from torchghm.data import DetectionData
from torchghm.printable import printable
from torchghm.training.recipes.detector import DEFAULTS
from torchghm.training.recipes.recipe import Recipe


def opening(data: DetectionData, recipe: Recipe, *, device: str, steps: int, anew: Sequence[str] | None = None) -> str:
    """Return the data, the detector, the losses, the device and the steps of a run, a line each.

    Arguments:
        data: that it trains on.
        recipe: of the run.
        device: its name.
        steps: optimiser steps of the whole run.
        anew: layers that `model.init` has no weights for; None where the run goes on from a checkpoint.
    """
    model, size = recipe.model, recipe.data.image_size
    boxes = sum(len(records.labels) for records in data.splits.values())
    images = ", ".join(f"{name} {len(records)}" for name, records in data.splits.items())
    classes = ", ".join(data.classes[:8]) + (", ..." if len(data.classes) > 8 else "")
    one_size = model.detector.startswith("ssd")
    height, width = size or DEFAULTS["image_size"]
    backbone = (
        "" if one_size or "mobilenet" in model.detector else f", backbone {model.backbone or DEFAULTS['backbone']}"
    )
    lines = {
        "data": f"{data.root}, layout {data.layout}",
        "images": f"{images}; {boxes} boxes",
        "classes": f"{len(data.classes)}: {classes}",
        "image size": "that of the detector" if one_size else f"fitted into {height} x {width}",
        "detector": f"{model.detector}{backbone}, weights {model.weights if model.init is None else 'of model.init'}",
        **_started(model.init, anew),
        "losses": f"{recipe.loss.cls} + {recipe.loss.box}",
        "device": f"{device}, {recipe.trainer.precision}",
        "steps": f"{steps} of {recipe.data.batch_size} images, at most {recipe.trainer.epochs} epochs; "
        "an estimate of the time follows after two steps",
    }
    return "\n".join(printable(f"{name:<12}{text}") for name, text in lines.items())


def _started(init: str | None, anew: Sequence[str] | None) -> dict[str, str]:
    """Return the line on the detector that a run starts from, if there is one."""
    if init is None or anew is None:
        return {}
    new = f"; for other classes, new: {', '.join(anew)}" if anew else ", all layers"
    return {"starts from": f"{init}{new}"}
