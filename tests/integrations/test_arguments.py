"""Losses that a host can take, and those that it can't."""

from __future__ import annotations

import pytest

import torchghm
from torchghm.integrations.arguments import check_host_losses
from torchghm.integrations.soft_targets import RelativeGHMCLoss
from torchghm.losses import ReferenceGHMC, ReferenceGHMR


@pytest.mark.parametrize("loss", [torchghm.GHMCLoss(), RelativeGHMCLoss(), torchghm.FocalLoss()])
def test_losses_of_logits_fit(loss):
    check_host_losses(loss, None)
    check_host_losses(None, torchghm.GHMRLoss())
    with pytest.raises(TypeError, match=f"`box_loss` to be None or a GHMRLoss .* but got {type(loss).__name__}"):
        check_host_losses(None, loss)


@pytest.mark.parametrize(("cls_loss", "box_loss"), [(ReferenceGHMC(), None), (None, ReferenceGHMR())])
def test_reference_losses_are_called_by_mmdetection_alone(cls_loss, box_loss):
    with pytest.raises(TypeError, match="got ReferenceGHM., whose call is of mmdetection"):
        check_host_losses(cls_loss, box_loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "softmax"}, "activation='sigmoid', but got activation='softmax'"),
        ({"class_dim": 1}, "class_dim=-1, but got class_dim=1"),
        ({"ignore_index": 255}, "ignore_index=-100, but got ignore_index=255"),
        ({"reduction": "sum"}, "reduction='mean', but got reduction='sum'"),
    ],
)
def test_options_that_the_host_decides_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        check_host_losses(torchghm.GHMCLoss(**options), None)


def test_no_loss_is_an_error():
    with pytest.raises(TypeError, match="got None for both"):
        check_host_losses(None, None)
