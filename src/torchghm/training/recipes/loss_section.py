"""The section `loss` of a recipe, and the losses that are built from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from torchghm.training.recipes.named_losses import (
    BOX_LOSSES,
    CLS_LOSSES,
    DEFAULT_LOSSES,
    HARMONIZED,
    REFERENCE_LOSSES,
    BoxName,
    ClsName,
    LossChoice,
)
from torchghm.training.recipes.sections import Probability, Section, WeightFactor
from torchghm.training.recipes.values import nearest

if TYPE_CHECKING:
    from torch import nn

    from torchghm.detection.examples.scope import Scope


class LossRecipe(Section):
    """The losses; options and weights belong to the loss that is named, and are forgotten with it."""

    cls: ClsName = Field(default=DEFAULT_LOSSES["cls"], description="classification loss; own is the detector's")
    box: BoxName = Field(
        default=DEFAULT_LOSSES["box"], description="loss of the encoded box coordinates; own is the detector's"
    )
    warmup: Literal["none", "ce", "focal"] = Field(
        default="none", description="what a harmonized classification loss takes over from; other losses ignore it"
    )
    warmup_until: tuple[Probability, Probability] = Field(
        default=(1 / 3, 2 / 3), examples=[[0.33, 0.67]], description="parts of the training between which it takes over"
    )
    scope: Literal["batch", "level", "reference"] = Field(
        default="batch", description="over which anchors the density is measured; losses without one ignore it"
    )
    stage: Literal["both", "rpn", "roi"] | None = Field(
        default=None,
        description="of a faster_rcnn: which stages the losses are for; null is both, classes the RPN's alone",
    )
    cls_weight: WeightFactor | None = Field(
        default=None, description="factor of the classification loss; null is its usual, 1"
    )
    box_weight: WeightFactor | None = Field(
        default=None,
        description="factor of the box loss; null is its usual: 1, for ghmr (an average over coordinates) 4, for "
        "ghmr_published 10",
    )
    cls_options: dict[str, Any] = Field(default_factory=dict, description="arguments of the classification loss")
    box_options: dict[str, Any] = Field(default_factory=dict, description="arguments of the box loss")

    @field_validator("warmup_until")
    @classmethod
    def _one_after_the_other(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"Expected `loss.warmup_until` to be two parts, the smaller first, but got {list(value)}")
        return value

    @model_validator(mode="after")
    def _buildable(self) -> LossRecipe:
        chosen = choose_losses(self)
        _check_names(chosen.cls, self.cls, self.cls_options, "loss.cls_options")
        _check_names(chosen.box, self.box, self.box_options, "loss.box_options")
        if chosen.warmup != "none" and chosen.scope != "batch":
            raise ValueError(
                f"Expected `loss.warmup` to be none with loss.scope={chosen.scope}, but got {chosen.warmup!r}"
            )
        if self.cls_options or self.box_options:  # whose ranges the losses know, for which torch is imported
            build_losses(self)
        return self


class ChosenLosses(NamedTuple):
    """Losses chosen by a recipe: the rows of the tables, the scope and the warm-up that they have a use for."""

    cls: LossChoice
    box: LossChoice
    scope: Scope
    warmup: Literal["none", "ce", "focal"]


class DetectionLosses(NamedTuple):
    """The two losses of a detector, None for its own, with their scope and the factor of each."""

    cls_loss: nn.Module | None
    box_loss: nn.Module | None
    cls_weight: float
    box_weight: float
    scope: Scope


def build_losses(recipe: LossRecipe, calls: int = 0) -> DetectionLosses:
    """Build the losses that a recipe names.

    Arguments:
        recipe: names and options.
        calls: how often the losses will be called in the training, which a warm-up is a part of; 0 if they won't be.

    Raises:
        ValueError: an option that the loss does not have, or out of its range; the message names the key.
    """
    chosen = choose_losses(recipe)
    cls_loss = _build(chosen.cls, recipe.cls_options, "loss.cls_options")
    if cls_loss is not None and chosen.warmup != "none":
        from torchghm.losses import CrossEntropyLoss, FocalLoss, HandoverLoss

        before = CrossEntropyLoss if chosen.warmup == "ce" else FocalLoss
        start, end = (round(fraction * calls) for fraction in recipe.warmup_until)
        settings: dict[str, Any] = {"activation": cls_loss.activation}
        cls_loss = HandoverLoss(before(**settings), cls_loss, start=start, end=end)
    return DetectionLosses(
        cls_loss,
        _build(chosen.box, recipe.box_options, "loss.box_options"),
        chosen.cls.weight if recipe.cls_weight is None else recipe.cls_weight,
        chosen.box.weight if recipe.box_weight is None else recipe.box_weight,
        chosen.scope,
    )


def choose_losses(recipe: LossRecipe) -> ChosenLosses:
    """Return what the names of a recipe stand for; no loss is built, and torch is not imported."""
    # Losses without a density have no scope: a comparison under one recipe may hold both kinds.
    scope = recipe.scope if {recipe.cls, recipe.box} & HARMONIZED else "batch"
    reference = REFERENCE_LOSSES if scope == "reference" else {}
    return ChosenLosses(
        reference.get(recipe.cls, CLS_LOSSES[recipe.cls]),
        reference.get(recipe.box, BOX_LOSSES[recipe.box]),
        scope,
        recipe.warmup if recipe.cls in HARMONIZED else "none",
    )


def _check_names(choice: LossChoice, name: str, options: Mapping[str, Any], key: str) -> None:
    if choice.path is None and options:
        raise ValueError(f"Expected `{key}` to be empty for {name!r}, the detector's own loss, but got {dict(options)}")
    for option in options:
        if option not in choice.options:
            known = list(choice.options)
            raise ValueError(f"unknown option '{key}.{option}' of the loss {name!r}{nearest(option, known)}")


def _build(choice: LossChoice, options: Mapping[str, Any], key: str) -> nn.Module | None:
    build = choice.build
    if build is None:
        return None
    try:
        return build(**{**choice.settings, **options})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key}: {error}") from error
