"""Random zoom and shift: the image keeps its size, and boxes follow it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as transforms


class RandomZoom(nn.Module):
    """Scale by a random factor about the centre, and shift by a random part of the sides.

    What leaves the image is cut off, what is left empty gets one colour.

    Arguments:
        factors: the smallest and the largest one.
        translate: the largest shift as a fraction of the sides, in [0, 1].
        fill: the colour, in the range of the image's type.
    """

    def __init__(self, factors: tuple[float, float], translate: float, fill: tuple[int, int, int]) -> None:
        super().__init__()
        self.factors = factors
        self.translate = translate
        self.fill = fill

    def forward(self, image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """Return image and target."""
        factor = torch.empty(()).uniform_(*self.factors).item()
        shift_y, shift_x = torch.empty(2).uniform_(-self.translate, self.translate).tolist()
        height, width = image.shape[-2:]
        size = [max(1, round(factor * height)), max(1, round(factor * width))]
        top = round((height - size[0]) / 2 + shift_y * height)
        left = round((width - size[1]) / 2 + shift_x * width)
        moved = {
            key: transforms.crop(transforms.resize(value, size), -top, -left, height, width)
            if isinstance(value, tv_tensors.BoundingBoxes)
            else value
            for key, value in target.items()
        }
        return tv_tensors.Image(self._zoomed(image, size, top, left)), moved

    def _zoomed(self, image: Tensor, size: list[int], top: int, left: int) -> Tensor:
        """Return the image scaled to a size, with its corner at a place of the former image."""
        height, width = image.shape[-2:]
        scaled: Tensor = transforms.resize(image.as_subclass(Tensor), size, antialias=True)
        visible = scaled[:, max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
        canvas = scaled.new_tensor(self.fill)[:, None, None].expand(-1, height, width).clone()
        top, left = max(0, top), max(0, left)
        canvas[:, top : top + visible.shape[1], left : left + visible.shape[2]] = visible
        return canvas
