"""Gradient harmonizing losses for PyTorch: GHM-C for classification, GHM-R for box regression.

    loss = torchghm.GHMCLoss(bins=30, momentum=0.75)
    loss(logits, targets).backward()

The command line from Python, with typed results: `train`, `compare`, `evaluate`, `load_detector`.

    torchghm.train("DIR", out="runs/first").metrics["ap"]

Importing this package needs torch alone; `torchghm.detection`, `.data`, `.training` and `.report` are imported by name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchghm import functional
    from torchghm.commands import compare, evaluate, load_detector, train
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
    )

__version__ = "0.1.0"

__all__ = [
    "ASL1Loss",
    "AsymmetricLoss",
    "CrossEntropyLoss",
    "DynamicFineTuningLoss",
    "EqualizationLossV2",
    "FocalLoss",
    "GHMCLoss",
    "GHMRLoss",
    "GeneralizedCrossEntropyLoss",
    "HandoverLoss",
    "LogitAdjustedLoss",
    "OHEMLoss",
    "Poly1FocalLoss",
    "QualityFocalLoss",
    "ReferenceGHMC",
    "ReferenceGHMR",
    "SmoothL1Loss",
    "SymmetricCrossEntropyLoss",
    "__version__",
    "compare",
    "evaluate",
    "functional",
    "load_detector",
    "train",
]
_COMMANDS = ("compare", "evaluate", "load_detector", "train")


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and the command line's help does not need it.
    if name == "functional":
        return import_module("torchghm.functional")
    if name in _COMMANDS:
        return getattr(import_module("torchghm.commands"), name)
    if name in __all__:
        return getattr(import_module("torchghm.losses"), name)
    raise AttributeError(f"module 'torchghm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
