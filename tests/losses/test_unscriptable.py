"""Refusal of TorchScript, by the name of the loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torchghm


@pytest.mark.parametrize(
    "loss",
    [
        torchghm.GHMCLoss,
        torchghm.CrossEntropyLoss,
        torchghm.FocalLoss,
        torchghm.OHEMLoss,
        torchghm.GHMRLoss,
        torchghm.SmoothL1Loss,
        torchghm.ASL1Loss,
        torchghm.ReferenceGHMC,
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_torchscript_is_refused_by_name(loss):
    with pytest.raises(TypeError, match=rf"torch.jit.script, but got one with a {loss.__name__}.*the network alone"):
        torch.jit.script(nn.Sequential(nn.Linear(1, 1), loss()))
