"""The losses as modules: thin over the two passes; what is averaged over iterations is in `DensityState`."""

from torchghm.losses.baselines import CrossEntropyLoss, FocalLoss, OHEMLoss
from torchghm.losses.box_baselines import ASL1Loss, SmoothL1Loss
from torchghm.losses.density_state import DensityState
from torchghm.losses.diagnostics import Diagnostics, PlainDiagnostics
from torchghm.losses.ghmc import GHMCLoss
from torchghm.losses.ghmr import GHMRLoss
from torchghm.losses.handover import HandoverLoss
from torchghm.losses.reference import ReferenceGHMC, ReferenceGHMR

__all__ = [
    "ASL1Loss",
    "CrossEntropyLoss",
    "DensityState",
    "Diagnostics",
    "FocalLoss",
    "GHMCLoss",
    "GHMRLoss",
    "HandoverLoss",
    "OHEMLoss",
    "PlainDiagnostics",
    "ReferenceGHMC",
    "ReferenceGHMR",
    "SmoothL1Loss",
]
