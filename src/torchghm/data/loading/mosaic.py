"""Mosaics: a training image that shows a part of each of four."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as transforms

from torchghm.data.loading.transforms import FILL

SMALLEST_PART = 0.1
"""The least visible share of its box that leaves an object one; less is a region that is no example."""


def join_mosaic(
    items: Sequence[tuple[Tensor, dict[str, Any]]], centre: Sequence[float], windows: Sequence[Sequence[float]]
) -> tuple[Tensor, dict[str, Any]]:
    """Join four images to one of the size of the first.

    Each image is scaled to fit into that size, its aspect kept, and shows through one of the four quarters that meet at
    the centre. What is left empty gets a neutral colour. Boxes are clipped to their quarter. An object of which less
    than a tenth is left is neither an object nor background: its rest joins `ignored_boxes`.

    Arguments:
        items: four images, uint8 [3, H, W], and their targets as `DetectionDataset` has them in training.
        centre: x and y where the quarters meet, in parts of the sides, in (0, 1).
        windows: for each image, where its visible part lies: 0 at its left or upper border, 1 at the other one.

    Returns:
        The image, and a target of ``boxes``, ``labels``, ``annotations``, ``ignored_boxes`` and the first one's
        ``image_id``. There are no ``frame_boxes``, since a place belongs to one of four images.

    Source:
        Bochkovskiy et al., "YOLOv4: Optimal Speed and Accuracy of Object Detection", 2020, section 3.3.

    Examples:
        >>> from torchvision import tv_tensors
        >>> def item(colour):
        ...     boxes = [tv_tensors.BoundingBoxes([[0, 0, 4, 2]], format="XYXY", canvas_size=(2, 4)) for _ in range(2)]
        ...     target = {"boxes": boxes[0], "labels": torch.tensor([colour]), "annotations": torch.tensor([colour])}
        ...     return torch.full((3, 2, 4), colour), {**target, "ignored_boxes": boxes[1][:0], "image_id": colour}
        >>> image, target = join_mosaic([item(colour) for colour in range(4)], (0.5, 0.5), [(0, 0)] * 4)
        >>> image[0].tolist()
        [[0, 0, 1, 1], [2, 2, 3, 3]]
        >>> target["boxes"].tolist()
        [[0.0, 0.0, 2.0, 1.0], [2.0, 0.0, 4.0, 1.0], [0.0, 1.0, 2.0, 2.0], [2.0, 1.0, 4.0, 2.0]]
    """
    first = items[0][0]
    height, width = first.shape[-2:]
    x, y = (round(float(part) * side) for part, side in zip(centre, (width, height), strict=True))
    canvas = first.new_tensor(FILL)[:, None, None].expand(-1, height, width).clone()
    quarters = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    parts: dict[str, list[Tensor]] = {"boxes": [], "labels": [], "annotations": [], "ignored_boxes": []}
    for (image, target), quarter, window in zip(items, quarters, windows, strict=True):
        scale, offset = _show(image, canvas, quarter, window)
        boxes, seen = _moved(target["boxes"], scale, offset, quarter)
        visible = seen >= SMALLEST_PART
        ignored, left = _moved(target["ignored_boxes"], scale, offset, quarter)
        parts["boxes"].append(boxes[visible])
        parts["labels"].append(target["labels"][visible])
        parts["annotations"].append(target["annotations"][visible])
        parts["ignored_boxes"] += [ignored[left > 0], boxes[(seen > 0) & ~visible]]
    joined: dict[str, Any] = {key: torch.cat(values) for key, values in parts.items()}
    for key in ("boxes", "ignored_boxes"):
        joined[key] = tv_tensors.BoundingBoxes(joined[key], format="XYXY", canvas_size=(height, width))
    return tv_tensors.Image(canvas), joined | {"image_id": items[0][1]["image_id"]}


def _show(
    image: Tensor, canvas: Tensor, quarter: tuple[int, int, int, int], window: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Draw a part of an image into its quarter; return the scale and offset of its coordinates, [4] each."""
    height, width = image.shape[-2:]
    factor = min(canvas.shape[-2] / height, canvas.shape[-1] / width)
    size = [max(1, round(factor * side)) for side in (height, width)]
    if size != [height, width]:
        image = transforms.resize(image, size, antialias=True)
    left, top, right, bottom = quarter
    shown_height, shown_width = min(size[0], bottom - top), min(size[1], right - left)
    from_left = round(float(window[0]) * (size[1] - shown_width))
    from_top = round(float(window[1]) * (size[0] - shown_height))
    canvas[:, top : top + shown_height, left : left + shown_width] = image[
        :, from_top : from_top + shown_height, from_left : from_left + shown_width
    ]
    scale = torch.tensor([size[1] / width, size[0] / height]).repeat(2)
    return scale, torch.tensor([left - from_left, top - from_top]).repeat(2)


def _moved(boxes: Tensor, scale: Tensor, offset: Tensor, quarter: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    """Return boxes in the mosaic, clipped to a quarter, [n, 4], and which share of each area is left, [n]."""
    moved = boxes.as_subclass(Tensor) * scale + offset
    left, top, right, bottom = quarter
    clipped = torch.stack(
        [moved[:, 0].clamp(left, right), moved[:, 1].clamp(top, bottom),
         moved[:, 2].clamp(left, right), moved[:, 3].clamp(top, bottom)], dim=1
    )  # fmt: skip
    area, whole = ((each[:, 2:] - each[:, :2]).prod(dim=1) for each in (clipped, moved))
    return clipped, area / whole.clamp(min=1e-6)
