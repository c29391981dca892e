"""The losses that a recipe can name, with the settings and weights that belong to them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from torchghm.losses import (
    ASL1Loss,
    AsymmetricLoss,
    CrossEntropyLoss,
    DynamicFineTuningLoss,
    EqualizationLossV2,
    FocalLoss,
    GeneralizedCrossEntropyLoss,
    GHMCLoss,
    GHMRLoss,
    HandoverLoss,
    LogitAdjustedLoss,
    OHEMLoss,
    Poly1FocalLoss,
    QualityFocalLoss,
    ReferenceGHMC,
    ReferenceGHMR,
    SmoothL1Loss,
    SymmetricCrossEntropyLoss,
    ghmc,
    ghmr,
)
from torchghm.losses.unharmonized import Options, UnharmonizedLoss
from torchghm.training.recipe_values import nearest

if TYPE_CHECKING:
    from torchghm.detection.examples.scope import Scope
    from torchghm.training.recipe_sections import LossRecipe


@dataclass(frozen=True)
class LossChoice:
    """A loss by name: what builds it (None: the detector's own), and its weight where the recipe does not say."""

    build: type[nn.Module] | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0


# Detectors divide a box loss by boxes, GHM-R by coordinates: hence `average` here and a larger weight there.
CLS_LOSSES: dict[str, LossChoice] = {
    "ce": LossChoice(CrossEntropyLoss),
    "ohem": LossChoice(OHEMLoss),
    "focal": LossChoice(FocalLoss),
    "ghmc": LossChoice(GHMCLoss),
    "ghmc_published": LossChoice(GHMCLoss, ghmc.PUBLISHED),
    "asymmetric": LossChoice(AsymmetricLoss),
    "poly1_focal": LossChoice(Poly1FocalLoss),
    "quality_focal": LossChoice(QualityFocalLoss),
    "eqlv2": LossChoice(EqualizationLossV2),
    "sce": LossChoice(SymmetricCrossEntropyLoss),
    "gce": LossChoice(GeneralizedCrossEntropyLoss),
    "logit_adjustment": LossChoice(LogitAdjustedLoss),
    "dft": LossChoice(DynamicFineTuningLoss),
    "own": LossChoice(None),
}
BOX_LOSSES: dict[str, LossChoice] = {
    "smooth_l1": LossChoice(SmoothL1Loss, {"average": "boxes"}),
    "l1": LossChoice(SmoothL1Loss, {"average": "boxes", "delta": 0.0}),
    "asl1": LossChoice(ASL1Loss, {"average": "boxes"}),
    "ghmr": LossChoice(GHMRLoss, weight=4.0),
    "ghmr_published": LossChoice(GHMRLoss, ghmr.PUBLISHED, weight=10.0),
    "own": LossChoice(None),
}
USUAL: dict[str, Any] = {"cls": "ghmc", "box": "smooth_l1"}
"""The losses of a recipe that names none."""

# With scope "reference"; its own defaults (10 regions, no momentum) are not the published settings.
_REFERENCE_CLS = LossChoice(ReferenceGHMC, {"bins": 30, "momentum": 0.75})
_REFERENCE_BOX = LossChoice(ReferenceGHMR, {"bins": 10, "momentum": 0.7}, weight=10.0)
REFERENCE_LOSSES: dict[str, LossChoice] = {
    "ghmc": _REFERENCE_CLS,
    "ghmc_published": _REFERENCE_CLS,
    "ghmr": _REFERENCE_BOX,
    "ghmr_published": _REFERENCE_BOX,
}
HARMONIZED = frozenset(REFERENCE_LOSSES)

# What the detector decides: its logits' layout, and that a loss is one number.
_DECIDED = {"self", "ignore_index", "class_dim", "reduction", "use_sigmoid", "loss_weight"}


class DetectionLosses(NamedTuple):
    """The two losses of a detector, None for its own, and what each is multiplied by."""

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
    # Losses without a density have no scope: a comparison under one recipe may hold both kinds.
    scope = recipe.scope if {recipe.cls, recipe.box} & HARMONIZED else "batch"
    reference = REFERENCE_LOSSES if scope == "reference" else {}
    cls = reference.get(recipe.cls, CLS_LOSSES[recipe.cls])
    box = reference.get(recipe.box, BOX_LOSSES[recipe.box])
    cls_loss = _build(cls, recipe.cls, recipe.cls_options, "loss.cls_options")
    if cls_loss is not None and recipe.warmup != "none" and recipe.cls in HARMONIZED:
        if scope != "batch":
            raise ValueError(f"loss.warmup: expected none with loss.scope={scope}, got {recipe.warmup!r}")
        before = CrossEntropyLoss if recipe.warmup == "ce" else FocalLoss
        start, end = (round(fraction * calls) for fraction in recipe.warmup_until)
        settings: dict[str, Any] = {"activation": cls_loss.activation}
        cls_loss = HandoverLoss(before(**settings), cls_loss, start=start, end=end)
    return DetectionLosses(
        cls_loss,
        _build(box, recipe.box, recipe.box_options, "loss.box_options"),
        cls.weight if recipe.cls_weight is None else recipe.cls_weight,
        box.weight if recipe.box_weight is None else recipe.box_weight,
        scope,
    )


def activation_of(cls: str, options: Mapping[str, Any]) -> Any:
    """How the classification loss of that name and with those options reads the logits."""
    build = CLS_LOSSES[cls].build
    first = build.activations[0] if build is not None and issubclass(build, UnharmonizedLoss) else "sigmoid"
    return options.get("activation", first)


def _build(choice: LossChoice, name: str, options: Mapping[str, Any], key: str) -> nn.Module | None:
    if choice.build is None:
        if options:
            raise ValueError(f"{key}: expected none for {name!r}, the detector's own loss, got {dict(options)}")
        return None
    named = [*inspect.signature(choice.build.__init__).parameters]
    if issubclass(choice.build, UnharmonizedLoss):
        named = [*(name for name in named if name != "options"), *Options.__annotations__]
    known = [option for option in named if option not in _DECIDED]
    for option in options:
        if option not in known:
            raise ValueError(f"unknown option '{key}.{option}' of the loss {name!r}{nearest(option, known)}")
    try:
        return choice.build(**{**choice.settings, **options})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key}: {error}") from error
