"""Modules of the box baselines: averages over boxes or coordinates."""

from __future__ import annotations

import pytest
import torch

import torchghm


@pytest.mark.parametrize("module", [torchghm.SmoothL1Loss, torchghm.ASL1Loss])
def test_box_baselines_average_over_boxes_or_coordinates(module):
    inputs, targets = torch.randn(6, 4), torch.randn(6, 4)
    coordinates, boxes = module(), module(average="boxes")
    torch.testing.assert_close(boxes(inputs, targets), 4 * coordinates(inputs, targets))
    torch.testing.assert_close(boxes.diagnostics.plain_loss, coordinates.diagnostics.plain_loss)
