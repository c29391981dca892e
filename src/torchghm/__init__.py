"""Gradient harmonizing losses for PyTorch: GHM-C for classification, GHM-R for box regression.

    loss = torchghm.GHMCLoss(bins=30, momentum=0.75)
    loss(logits, targets).backward()

Importing this package needs torch alone; `torchghm.detection`, `.data`, `.training` and `.report` are imported by name.
"""

from torchghm import functional
from torchghm.losses import (
    ASL1Loss,
    CrossEntropyLoss,
    FocalLoss,
    GHMCLoss,
    GHMRLoss,
    OHEMLoss,
    ReferenceGHMC,
    ReferenceGHMR,
    SmoothL1Loss,
)

__version__ = "0.1.0"

__all__ = [
    "ASL1Loss",
    "CrossEntropyLoss",
    "FocalLoss",
    "GHMCLoss",
    "GHMRLoss",
    "OHEMLoss",
    "ReferenceGHMC",
    "ReferenceGHMR",
    "SmoothL1Loss",
    "__version__",
    "functional",
]
