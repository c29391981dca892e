"""Group norm of groups that may hold a single value."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

Detector = TypeVar("Detector", bound=nn.Module)


class AnyGroupNorm(nn.GroupNorm):
    """Group norm that takes a group of one value too, which becomes the bias.

    torch refuses it, in evaluation too. But an image of few pixels, alone in its batch, has a level of one cell, and
    with a channel a group that is all there is.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [N, C, ...]."""
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


def with_any_group(model: Detector) -> Detector:
    """Let every group norm of a new detector that has a channel a group take single values, in place."""
    for module in model.modules():
        if type(module) is nn.GroupNorm and module.num_groups == module.num_channels:
            module.__class__ = AnyGroupNorm
    return model
