"""A trained detector, to be called from Python."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from torchghm.detection import HarmonizedDetector
from torchghm.training.loop.datamodule import to_floats
from torchghm.training.recipes.recipe import Recipe

LARGEST = 2
"""Largest value of floats that are taken for colours in [0, 1]: interpolation may go a little beyond 1."""


class TrainedDetector(nn.Module):
    """The detector of a checkpoint, with the names of its classes.

    Attributes:
        detector: torchvision's detector, in evaluation mode.
        classes: names; a label of a detection is an index into them.
        recipe: of the training.
    """

    detector: HarmonizedDetector

    def __init__(self, detector: HarmonizedDetector, classes: tuple[str, ...], recipe: Recipe) -> None:
        super().__init__()
        self.detector = detector
        self.classes = classes
        self.recipe = recipe

    @torch.no_grad()
    def forward(self, images: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Find objects in images.

        Arguments:
            images: [3, height, width] each, uint8 or floats in [0, 1]; of any sizes.

        Returns:
            A dictionary for each image: ``boxes`` [D, 4] as (x1, y1, x2, y2) in the image's pixels, ``labels`` [D] from
            0, ``scores`` [D] in [0, 1], the highest first.

        Raises:
            TypeError: an image that is no tensor of uint8 or floats: torchvision.io.decode_image makes one of a file.
            ValueError: no image, one of another shape, or floats up to 255.
        """
        if not len(images):
            raise ValueError("Expected argument `images` to be at least one image, but got none.")
        for image in images:
            _check_image(image)
        device = next(self.detector.parameters()).device
        moved = [image.to(device) for image in images]
        floats = [to_floats([image])[0] if image.dtype == torch.uint8 else image for image in moved]
        found: list[dict[str, Tensor]] = self.detector(floats)
        return found


def _check_image(image: object) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(
            "Expected argument `images` to be a list of tensors [3, height, width], which torchvision.io.decode_image "
            f"makes of a file, but got {type(image).__name__}."
        )
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"Expected argument `images` to be tensors [3, height, width], but got {[*image.shape]}.")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise TypeError(f"Expected argument `images` to be uint8 or floats, but got {image.dtype}.")
    if image.is_floating_point() and image.is_cpu and image.numel() and image.max() > LARGEST:
        raise ValueError(
            f"Expected argument `images` to be floats in [0, 1], but got up to {float(image.max()):.4g}: divide by "
            "255, or give uint8."
        )
