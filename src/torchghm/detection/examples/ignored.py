"""Regions of an image that are no examples: crowds, difficult objects, objects whose box is lost."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

KEY = "ignored_boxes"
"""Key of a target: [n, 4] xyxy in pixels of the image, as ``boxes``; none where the key is missing."""
FOLLOWERS = (KEY, "frame_boxes")
"""Keys of a target whose boxes follow the image as its objects do."""
INSIDE = 0.5
"""How much of an anchor's own area a region has to hold."""
SILENT = -1e4
"""A logit whose score is 0 and whose gradient is none, also in half precision."""


def scale_ignored(
    transform: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: tuple[Any, Any]
) -> None:
    """Scale ignored regions: a forward hook of a detector's transform, which itself resizes boxes alone."""
    batch, scaled = output
    if scaled is None:
        return
    images, targets = (*arguments, *(named[name] for name in ("images", "targets")[len(arguments) :]))
    for image, target, size, result in zip(images, targets, batch.image_sizes, scaled, strict=True):
        height, width = (new / old for new, old in zip(size, image.shape[-2:], strict=True))
        for key in FOLLOWERS:
            if target.get(key) is not None:
                result[key] = target[key] * target[key].new_tensor([width, height, width, height])


def watch_regions(transform: nn.Module) -> None:
    """Let a detector's transform scale the regions too."""
    transform.register_forward_hook(scale_ignored, with_kwargs=True)


def forget_regions(transform: nn.Module) -> None:
    """Take the hook away."""
    hooks = transform._forward_hooks
    for handle in [handle for handle, hook in hooks.items() if hook is scale_ignored]:
        del hooks[handle]
        transform._forward_hooks_with_kwargs.pop(handle, None)


def inside_ignored(boxes: Tensor, target: dict[str, Tensor]) -> Tensor:
    """Return whether each anchor lies mostly in one region: the intersection over its own area is at least `INSIDE`.

    Arguments:
        boxes: [A, 4] xyxy.
        target: of the image, in the same coordinates.

    Returns:
        [A] bool.
    """
    regions = target.get(KEY)
    if regions is None or not regions.shape[0]:
        return boxes.new_zeros(boxes.shape[0], dtype=torch.bool)
    # One region after the other: an image has a few, and [A, n, 4] of a large pyramid is many megabytes.
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    inside = torch.zeros_like(area, dtype=torch.bool)
    for region in regions.to(boxes.dtype):
        shared = torch.minimum(boxes[:, 2:], region[2:]) - torch.maximum(boxes[:, :2], region[:2])
        inside |= (area > 0) & (shared.clamp(min=0).prod(dim=1) >= INSIDE * area)
    return inside


def without_ignored(
    matched: list[Tensor], anchors: list[Tensor], targets: list[dict[str, Tensor]], background: int, ignored: int
) -> list[Tensor]:
    """Return what anchors are matched with, ``ignored`` for background in a region; objects stay what they are."""
    return [
        torch.where((image_matched == background) & inside_ignored(boxes, target), ignored, image_matched)
        for image_matched, boxes, target in zip(matched, anchors, targets, strict=True)
    ]
