"""Augmentation with torchvision's transforms v2; boxes follow the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from torchghm.data.loading.colours import RandomColours
from torchghm.data.loading.zoom import RandomZoom

# The mean colour of ImageNet: what a backbone trained there takes for nothing in particular.
FILL = (124, 116, 104)


def training_transforms(
    *,
    flip: float = 0.5,
    vertical_flip: float = 0.0,
    scale_jitter: tuple[float, float] | None = None,
    translate: float = 0.1,
    colour_jitter: float = 0.0,
    smallest_box: float = 1.0,
    dtype: torch.dtype = torch.uint8,
) -> v2.Transform:
    """Return random transforms of image and target for training.

    Arguments:
        flip: probability of a left-right flip, in [0, 1].
        vertical_flip: probability of an upside-down flip, in [0, 1].
        scale_jitter: smallest and largest factor of a random zoom, for example (0.5, 1.5). The image keeps its size:
            what leaves it is cut off, what is left empty gets a neutral colour.
        translate: with `scale_jitter`, the largest shift as a fraction of the sides, in [0, 1].
        colour_jitter: strength of a random change of brightness, contrast and saturation, in [0, 1].
        smallest_box: boxes with a side below this many pixels afterwards are removed, with their labels; at least 1.
        dtype: of the image; floating point types are scaled to [0, 1].

    Returns:
        A callable `(image, target) -> (image, target)`.

    Raises:
        ValueError: an argument out of its range.
    """
    for name, value in (
        ("flip", flip), ("vertical_flip", vertical_flip), ("translate", translate), ("colour_jitter", colour_jitter)
    ):  # fmt: skip
        if not 0 <= value <= 1:
            raise ValueError(f"Expected argument `{name}` to be in [0, 1], but got {value}")
    if not smallest_box >= 1:
        raise ValueError(f"Expected argument `smallest_box` to be at least 1, but got {smallest_box}")
    steps: list[nn.Module] = []
    if flip:
        steps.append(v2.RandomHorizontalFlip(float(flip)))
    if vertical_flip:
        steps.append(v2.RandomVerticalFlip(float(vertical_flip)))
    if scale_jitter is not None:
        low, high = scale_jitter
        if not 0 < low <= high:
            raise ValueError(
                f"Expected argument `scale_jitter` to be two positive numbers in order, but got {scale_jitter}"
            )
        steps.append(RandomZoom((low, high), translate, FILL))
    if colour_jitter:
        steps.append(RandomColours(colour_jitter))
    steps.append(_WithoutSmallBoxes(min_size=smallest_box, labels_getter=_per_box))
    return v2.Compose([*steps, v2.ToDtype(dtype, scale=True)])


def evaluation_transforms(*, dtype: torch.dtype = torch.uint8) -> v2.Transform:
    """Return the transforms for evaluation: no change but that of the image's type.

    Arguments:
        dtype: of the image; floating point types are scaled to [0, 1].
    """
    return v2.Compose([v2.ToDtype(dtype, scale=True)])


class _WithoutSmallBoxes(v2.SanitizeBoundingBoxes):  # type: ignore[misc]
    """Removes objects that an image has lost; regions that are no objects only follow the image."""

    def forward(self, image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """Return image and target."""
        regions = {key: target[key] for key in ("ignored_boxes", "frame_boxes") if key in target}
        objects = {key: value for key, value in target.items() if key not in regions}
        image, objects = super().forward(image, objects)
        return image, objects | regions


def _per_box(sample: tuple[Tensor, dict[str, Any]]) -> tuple[Tensor, ...]:
    """Return what the target has for each box, so that it goes when the box goes."""
    target = sample[1]
    return tuple(target[key] for key in ("labels", "iscrowd", "area", "annotations") if key in target)
