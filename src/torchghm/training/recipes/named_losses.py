"""The losses that a recipe can name, with their settings and weights. A new one is a row of a table here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
from torchghm.losses.baselines.unharmonized import UnharmonizedLoss

ClsName = Literal[
    "ce",
    "ohem",
    "focal",
    "ghmc",
    "ghmc_published",
    "asymmetric",
    "poly1_focal",
    "quality_focal",
    "eqlv2",
    "sce",
    "gce",
    "logit_adjustment",
    "dft",
    "own",
]
BoxName = Literal["smooth_l1", "l1", "asl1", "ghmr", "ghmr_published", "own"]


@dataclass(frozen=True)
class LossChoice:
    """A loss by name: its class (None: the detector's own), and its weight where the recipe gives none."""

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
DEFAULT_LOSSES: dict[str, Any] = {"cls": "ghmc", "box": "smooth_l1"}
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


def activation_of(cls: str, options: Mapping[str, Any]) -> Any:
    """Return the activation with which a classification loss reads the logits.

    Arguments:
        cls: the loss's name.
        options: its arguments in the recipe.
    """
    build = CLS_LOSSES[cls].build
    first = build.activations[0] if build is not None and issubclass(build, UnharmonizedLoss) else "sigmoid"
    return options.get("activation", first)
