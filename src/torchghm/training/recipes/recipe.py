"""A recipe: everything that decides what a training run does, validated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from torchghm.detector_names import SOFTMAX_DETECTORS, TWO_STAGE_DETECTORS, has_option
from torchghm.training.recipes.changes import apply_changes
from torchghm.training.recipes.loss_section import LossRecipe
from torchghm.training.recipes.model_section import ModelRecipe
from torchghm.training.recipes.named_losses import HARMONIZED, activation_of
from torchghm.training.recipes.sections import (
    DataRecipe,
    OptimizerRecipe,
    Section,
    TrainerRecipe,
)
from torchghm.training.recipes.values import checked, nested


class Recipe(Section):
    """Everything that decides what a training run does.

    Examples:
        >>> Recipe().with_values({"loss.cls": "focal", "seed": 3}).loss.cls
        'focal'
    """

    name: str = Field(default="default", min_length=1, description="of the recipe")
    seed: int = Field(default=0, ge=0, lt=2**63, description="of initialisation, order of the images and augmentation")
    data: DataRecipe = DataRecipe()
    model: ModelRecipe = ModelRecipe()
    loss: LossRecipe = LossRecipe()
    optimizer: OptimizerRecipe = OptimizerRecipe()
    trainer: TrainerRecipe = TrainerRecipe()

    @model_validator(mode="after")
    def _fits_the_detector(self) -> Recipe:
        detector, activation = self.model.detector, activation_of(self.loss.cls, self.loss.cls_options)
        for key in ("image_size", "multi_scale"):
            value = getattr(self.data, key)
            if value is not None and not has_option(detector, "image_size"):
                raise ValueError(
                    f"Expected `data.{key}` to be null for {detector}, which reads images of one size, "
                    f"but got {list(value)}"
                )
        if self.loss.stage is not None and detector not in TWO_STAGE_DETECTORS:
            raise ValueError(
                f"Expected `loss.stage` to be null for {detector}, which has one stage, but got {self.loss.stage!r}; "
                f"{', '.join(TWO_STAGE_DETECTORS)} have two"
            )
        density = {self.loss.cls, self.loss.box} & HARMONIZED
        if self.loss.stage == "roi" and self.loss.scope != "batch" and density:
            raise ValueError(
                f"Expected `loss.scope` to be batch with loss.stage=roi, which has no levels, "
                f"but got {self.loss.scope!r}"
            )
        if self.loss.stage == "roi":
            if self.loss.cls != "own" and activation != "softmax":
                raise ValueError(
                    "Expected `loss.cls_options.activation` to be softmax with loss.stage=roi (or loss.cls=own), "
                    f"but got {activation!r}"
                )
        elif activation == "softmax" and detector not in SOFTMAX_DETECTORS:
            raise ValueError(
                f"Expected `loss.cls_options.activation` to be sigmoid for {detector}, but got {activation!r} "
                f"of the loss {self.loss.cls!r}, which {' and '.join(SOFTMAX_DETECTORS)} have"
            )
        return self

    def with_values(self, values: Mapping[str, Any], source: str = "recipe") -> Recipe:
        """Return the recipe with some values changed.

        Arguments:
            values: by dotted key, for example ``{"loss.cls": "ce", "seed": 3}``.
            source: named in errors.

        Raises:
            ValueError: an unknown key, named together with the nearest known one, or a value out of range.
        """
        return checked(Recipe, apply_changes(self.model_dump(mode="json"), nested(values)), source)

    def plain(self) -> dict[str, Any]:
        """Return every value, defaults included, as numbers, texts, lists and dictionaries."""
        return self.model_dump(mode="json")
