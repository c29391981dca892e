"""The losses as modules: thin over the two passes; what is averaged over iterations is in `DensityState`."""

from torchghm.losses.baselines.boxes import ASL1Loss, SmoothL1Loss
from torchghm.losses.baselines.classification import CrossEntropyLoss, FocalLoss, OHEMLoss
from torchghm.losses.diagnostics import Diagnostics, PlainDiagnostics
from torchghm.losses.ghmc import GHMCLoss
from torchghm.losses.ghmr import GHMRLoss
from torchghm.losses.handover import HandoverLoss
from torchghm.losses.reference import ReferenceGHMC, ReferenceGHMR
from torchghm.losses.rivals import (
    AsymmetricLoss,
    DynamicFineTuningLoss,
    EqualizationLossV2,
    GeneralizedCrossEntropyLoss,
    LogitAdjustedLoss,
    Poly1FocalLoss,
    QualityFocalLoss,
    SymmetricCrossEntropyLoss,
)
from torchghm.losses.state.density_state import DensityState

__all__ = [
    "ASL1Loss",
    "AsymmetricLoss",
    "CrossEntropyLoss",
    "DensityState",
    "Diagnostics",
    "DynamicFineTuningLoss",
    "EqualizationLossV2",
    "FocalLoss",
    "GHMCLoss",
    "GHMRLoss",
    "GeneralizedCrossEntropyLoss",
    "HandoverLoss",
    "LogitAdjustedLoss",
    "OHEMLoss",
    "PlainDiagnostics",
    "Poly1FocalLoss",
    "QualityFocalLoss",
    "ReferenceGHMC",
    "ReferenceGHMR",
    "SmoothL1Loss",
    "SymmetricCrossEntropyLoss",
]
