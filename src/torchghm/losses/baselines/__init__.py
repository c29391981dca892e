"""Losses without a density, which GHM-C and GHM-R are compared with."""

from torchghm.losses.baselines.boxes import ASL1Loss, SmoothL1Loss
from torchghm.losses.baselines.classification import CrossEntropyLoss, FocalLoss, OHEMLoss

__all__ = ["ASL1Loss", "CrossEntropyLoss", "FocalLoss", "OHEMLoss", "SmoothL1Loss"]
