"""Random brightness, contrast and saturation in one pass over the pixels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors

GRAY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a gray value (ITU-R BT.601), as Pillow and torchvision have them."""


class RandomColours(nn.Module):
    """Change brightness, contrast and saturation, each by a random factor from 1 - strength to 1 + strength.

    Hue stays: its colour space costs more time than reading the image and all other transforms together.

    Arguments:
        strength: in [0, 1].
    """

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """Return image and target."""
        factors = torch.empty(3).uniform_(1 - self.strength, 1 + self.strength).tolist()
        return tv_tensors.Image(adjust_colours(image, *factors)), target


def adjust_colours(image: Tensor, brightness: float, contrast: float, saturation: float) -> Tensor:
    """Change brightness b, contrast c and saturation s at once.

    With the gray value y of a pixel and its mean m over the image, a channel x becomes
    b c (s x + (1 - s) y) + b (1 - c) m, clipped to the range of the type. Torchvision's three functions, one after the
    other, clip after each.

    Arguments:
        image: RGB, uint8 or floating point in [0, 1], [3, H, W].
        brightness: factor, at least 0; 1 changes nothing.
        contrast: factor, at least 0; 0 gives an image of one gray value.
        saturation: factor, at least 0; 0 gives a gray image.

    Returns:
        The image, of the same type and shape.

    Examples:
        >>> image = torch.tensor([200, 100, 10], dtype=torch.uint8)[:, None, None]
        >>> adjust_colours(image, 1.0, 1.0, 0.0).ravel().tolist()
        [120, 120, 120]
    """
    pixels = image.as_subclass(Tensor).to(torch.result_type(image, 1.0), copy=True)
    gray = torch.tensordot(pixels.new_tensor(GRAY), pixels, 1)
    gain = brightness * contrast
    offset = brightness * (1 - contrast) * gray.mean()
    pixels.mul_(gain * saturation).add_(gray.mul_(gain * (1 - saturation)).add_(offset))
    if image.is_floating_point():
        return pixels.clamp_(0, 1)
    return pixels.round_().clamp_(0, 255).to(image.dtype)
