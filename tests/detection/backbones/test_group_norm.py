from __future__ import annotations

import torch
from torch import nn

from torchghm.detection import build_detector


def test_a_level_of_one_cell_has_group_norm_of_a_channel_a_group():
    """A single image, whose coarsest level is one cell: torch's own group norm refuses it in evaluation."""
    model = build_detector("fcos", num_classes=2, backbone="resnet18", pyramid_channels=32, image_size=(64, 96)).eval()
    [found] = model([torch.rand(3, 64, 96)])
    assert found["boxes"].isfinite().all()
    kind = type(next(module for module in model.modules() if isinstance(module, nn.GroupNorm)))
    norm, own = kind(32, 32), nn.GroupNorm(32, 32)
    several, one = torch.randn(2, 32, 3, 3), torch.randn(1, 32, 1, 1)
    torch.testing.assert_close(norm(several), own(several))
    assert norm(one).abs().max() < 1e-4  # the bias, within rounding over the root of eps
