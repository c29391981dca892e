"""Losses by others that GHM-C is compared with, as modules: one paper a file, with the paper's settings."""

from torchghm.losses.rivals.asymmetric import AsymmetricLoss
from torchghm.losses.rivals.dynamic_fine_tuning import DynamicFineTuningLoss
from torchghm.losses.rivals.equalization import EqualizationLossV2
from torchghm.losses.rivals.generalized_cross_entropy import GeneralizedCrossEntropyLoss
from torchghm.losses.rivals.logit_adjustment import LogitAdjustedLoss
from torchghm.losses.rivals.poly import Poly1FocalLoss
from torchghm.losses.rivals.quality_focal import QualityFocalLoss
from torchghm.losses.rivals.symmetric_cross_entropy import SymmetricCrossEntropyLoss

__all__ = [
    "AsymmetricLoss",
    "DynamicFineTuningLoss",
    "EqualizationLossV2",
    "GeneralizedCrossEntropyLoss",
    "LogitAdjustedLoss",
    "Poly1FocalLoss",
    "QualityFocalLoss",
    "SymmetricCrossEntropyLoss",
]
