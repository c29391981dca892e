"""The detector and the losses that a recipe describes."""

from __future__ import annotations

from typing import Any, cast
from urllib.error import URLError

import torch

from torchghm.detection import HarmonizedDetector, build_detector, harmonize
from torchghm.detector_names import has_option
from torchghm.training.recipes.loss_section import DetectionLosses, build_losses
from torchghm.training.recipes.model_section import DETECTOR_OPTIONS
from torchghm.training.recipes.recipe import Recipe

DEFAULTS: dict[str, Any] = {"backbone": "resnet18", "head_norm": "group", "image_size": (384, 512)}
"""Values that a recipe's null stands for, where they are not `build_detector`'s defaults."""


def build_from_recipe(
    recipe: Recipe, num_classes: int, *, with_weights: bool = True, steps: int = 0
) -> tuple[HarmonizedDetector, DetectionLosses]:
    """Build a harmonized detector; the same seed gives the same weights for every loss.

    Arguments:
        recipe: its `data.image_size`, `model`, `loss` and `seed` are read.
        num_classes: K, at least 1.
        with_weights: load the backbone's weights; without, the detector has their form only, to be filled from a
            checkpoint without a network or the weights' file.
        steps: optimiser steps of the training, 0 if there won't be any.

    Raises:
        ValueError: weights that don't fit, losses without the scope asked for.
        FileNotFoundError: no such weights file.
        ConnectionError: weights that could not be downloaded.
    """
    model = recipe.model
    given = {option: getattr(model, option) for option in DETECTOR_OPTIONS} | {"image_size": recipe.data.image_size}
    wanted = DEFAULTS | {option: value for option, value in given.items() if value is not None}
    options = {option: value for option, value in wanted.items() if has_option(model.detector, option)}
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            detector = build_detector(
                model.detector,
                num_classes=num_classes,
                weights=model.weights,
                load_weights=with_weights,
                prior=model.prior,
                trainable_layers=model.trainable_layers,
                **options,
            )
    except (URLError, TimeoutError, ConnectionResetError) as error:
        raise ConnectionError(
            f"model.weights: the weights of {options.get('backbone', model.detector)} could not be downloaded "
            f"({getattr(error, 'reason', error)}): name a file of them, or none"
        ) from error
    losses = build_losses(recipe.loss, steps * recipe.trainer.accumulate)
    harmonize(detector, losses.cls_loss, losses.box_loss, scope=losses.scope, stage=recipe.loss.stage)
    # The layout that convolutions compute in: otherwise each of them converts its input and output.
    detector.to(memory_format=torch.channels_last)
    return cast(HarmonizedDetector, detector), losses
