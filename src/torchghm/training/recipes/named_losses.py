"""The losses that a recipe can name, with their options, settings and weights. A new one is a row of a table here.

Nothing here imports torch until a loss is built: a recipe's mistakes are told before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import nn

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


_SHARED = ("activation", "average", "sync")
"""Options of every classification loss without a density."""
_HARMONIZED = ("bins", "momentum", "density", "normalize", "max_weight", "sync", "nonfinite", "backend")
"""Options of GHM-C and GHM-R."""
_GHMC = (*_HARMONIZED, "activation", "average", "validate")
_GHMR = ("mu", *_HARMONIZED)


@dataclass(frozen=True)
class LossChoice:
    """A loss by name: what it is built by, and what a recipe can say of it.

    Attributes:
        path: in `torchghm.losses`, of the class or the method that builds it; None: the detector's own.
        options: arguments that a recipe may give; the others are the detector's to decide.
        settings: arguments where the recipe gives none.
        weight: where the recipe gives none.
        activation: with which it reads the logits, where the recipe says nothing.
    """

    path: str | None
    options: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    activation: Literal["sigmoid", "softmax"] = "sigmoid"

    @property
    def build(self) -> Callable[..., nn.Module] | None:
        """Class or function that makes the loss of its arguments; None: the detector's own. Imports torch."""
        from torchghm import losses

        return None if self.path is None else attrgetter(self.path)(losses)


# Detectors divide a box loss by boxes, GHM-R by coordinates: hence `average` here and a larger weight there.
CLS_LOSSES: dict[str, LossChoice] = {
    "ce": LossChoice("CrossEntropyLoss", _SHARED),
    "ohem": LossChoice("OHEMLoss", ("negatives_per_positive", "min_negatives", *_SHARED)),
    "focal": LossChoice("FocalLoss", ("alpha", "gamma", *_SHARED)),
    "ghmc": LossChoice("GHMCLoss", _GHMC),
    "ghmc_published": LossChoice("GHMCLoss.published", _GHMC),
    "asymmetric": LossChoice("AsymmetricLoss", ("gamma_negative", "gamma_positive", "margin", *_SHARED)),
    "poly1_focal": LossChoice("Poly1FocalLoss", ("epsilon", "alpha", "gamma", *_SHARED)),
    "quality_focal": LossChoice("QualityFocalLoss", ("beta", *_SHARED)),
    "eqlv2": LossChoice("EqualizationLossV2", ("gamma", "mu", "alpha", "num_classes", *_SHARED)),
    "sce": LossChoice("SymmetricCrossEntropyLoss", ("alpha", "beta", "log_of_zero", *_SHARED)),
    "gce": LossChoice("GeneralizedCrossEntropyLoss", ("q", *_SHARED)),
    "logit_adjustment": LossChoice(
        "LogitAdjustedLoss", ("priors", "tau", "num_classes", *_SHARED), activation="softmax"
    ),
    "dft": LossChoice("DynamicFineTuningLoss", _SHARED, activation="softmax"),
    "own": LossChoice(None),
}
BOX_LOSSES: dict[str, LossChoice] = {
    "smooth_l1": LossChoice("SmoothL1Loss", ("delta", "average", "sync"), {"average": "boxes"}),
    "l1": LossChoice("SmoothL1Loss", ("delta", "average", "sync"), {"average": "boxes", "delta": 0.0}),
    "asl1": LossChoice("ASL1Loss", ("mu", "average", "sync"), {"average": "boxes"}),
    "ghmr": LossChoice("GHMRLoss", _GHMR, weight=4.0),
    "ghmr_published": LossChoice("GHMRLoss.published", _GHMR, weight=10.0),
    "own": LossChoice(None),
}
DEFAULT_LOSSES: dict[str, Any] = {"cls": "ghmc", "box": "smooth_l1"}
"""The losses of a recipe that names none."""

# With scope "reference"; its own defaults (10 regions, no momentum) are not the published settings.
_REFERENCE_CLS = LossChoice("ReferenceGHMC", ("bins", "momentum"), {"bins": 30, "momentum": 0.75})
_REFERENCE_BOX = LossChoice("ReferenceGHMR", ("mu", "bins", "momentum"), {"bins": 10, "momentum": 0.7}, weight=10.0)
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
    return options.get("activation", CLS_LOSSES[cls].activation)
