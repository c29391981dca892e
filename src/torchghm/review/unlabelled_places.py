"""Confident detections that match no object, seen in several epochs: eight places an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

from torchghm.detection.examples.batch_examples import BACKGROUND, DetectionExamples

SLOTS = 8
"""Places that are kept of an image."""
CANDIDATES = 64
"""Anchors of an image that are looked at: those with the highest scores that are background."""
SAME = 0.5
"""IoU from which two boxes are one place."""
TAKEN = 0.3
"""IoU from which a box is about an object that has a label."""
DECAY = 0.75
"""Part of a place's score that is left after an epoch that does not see it."""
FIELDS = 6
"""Numbers of a place: the box in parts of the image's sides, the score, and the class counted from 1."""


class UnlabelledPlaces:
    """Bounded memory of where a detector sees an object and the labels have none.

    Arguments:
        images: number of images.
        device: where it is kept.
    """

    def __init__(self, images: int, device: torch.device | str | None = None) -> None:
        self._new = torch.zeros(images, SLOTS, FIELDS, device=device)
        self._kept = torch.zeros(images, SLOTS, FIELDS + 1, device=device)  # and in how many epochs

    def to(self, device: torch.device | str) -> None:
        """Move everything to a device."""
        self._new, self._kept = self._new.to(device), self._kept.to(device)

    @torch.no_grad()
    def observe(
        self,
        examples: DetectionExamples,
        targets: Sequence[Mapping[str, Any]],
        predicted_boxes: Callable[[Tensor], Tensor],
    ) -> None:
        """Take in the images of a batch whose targets have ``index`` and ``frame_boxes``; a GPU is not waited for."""
        rows = [row for row, target in enumerate(targets) if "index" in target and "frame_boxes" in target]
        if not rows:
            return
        logits = examples.logits.detach()
        background = 0 if examples.activation == "softmax" else BACKGROUND
        scored = logits.softmax(-1)[..., 1:] if examples.activation == "softmax" else logits
        highest, label = scored.max(dim=-1)  # [B, A]
        highest = highest.float().masked_fill(examples.targets != background, -torch.inf)
        top, anchors = highest.topk(min(CANDIDATES, highest.shape[1]), dim=1)
        score = top.clamp(min=0) if examples.activation == "softmax" else top.sigmoid()
        boxes = predicted_boxes(anchors).float()
        labels = label.gather(1, anchors)
        for row in rows:
            target, free = targets[row], score[row]
            if target["boxes"].shape[0]:
                taken = box_iou(boxes[row], target["boxes"].float()).amax(dim=1) >= TAKEN
                free = free.masked_fill(taken, 0.0)
            self._new[target["index"]] = _strongest(in_frame(boxes[row], target["frame_boxes"]), free, labels[row])

    @torch.no_grad()
    def end_epoch(self, summed_over_ranks: Callable[[Tensor], Tensor]) -> None:
        """Join the epoch's places with those that are kept."""
        new = summed_over_ranks(self._new)
        visited = (new[..., 4] > 0).any(dim=1)
        overlap = _pairwise_iou(self._kept[..., :4], new[..., :4])  # [images, kept, new]
        overlap *= (self._kept[..., 4, None] > 0) & (new[:, None, :, 4] > 0)
        overlap *= self._kept[..., 5, None] == new[:, None, :, 5]
        best, partner = overlap.max(dim=2)
        again = best >= SAME
        found = new.gather(1, partner[..., None].expand(-1, -1, FIELDS))
        epochs = self._kept[..., 6]
        part = 1 / (epochs + 1)
        merged = self._kept.clone()
        merged[..., :4] += torch.where(again[..., None], part[..., None] * (found[..., :4] - merged[..., :4]), 0.0)
        merged[..., 4] = torch.where(
            again, torch.maximum(merged[..., 4] * (1 - part) + part * found[..., 4], found[..., 4] * DECAY),
            merged[..., 4] * DECAY,
        )  # fmt: skip
        merged[..., 6] += again
        fresh = torch.cat([new, (new[..., 4:5] > 0).float()], dim=2)
        fresh[..., 4] = torch.where((overlap.amax(dim=1) >= SAME), 0.0, fresh[..., 4])
        every = torch.cat([merged, fresh], dim=1)
        order = every[..., 4].argsort(dim=1, descending=True, stable=True)[:, :SLOTS]
        chosen = every.gather(1, order[..., None].expand(-1, -1, FIELDS + 1))
        chosen = chosen * (chosen[..., 4:5] > 0)
        self._kept = torch.where(visited[:, None, None], chosen, self._kept)
        self._new.zero_()

    def columns(self) -> dict[str, Tensor]:
        """Return the places that are kept, on the CPU.

        Returns:
            ``image`` [m], ``box`` [m, 4] in parts of the image's sides, ``score`` [m], ``label`` [m], ``epochs`` [m].
        """
        kept = self._kept.cpu()
        image, slot = (kept[..., 4] > 0).nonzero(as_tuple=True)
        rows = kept[image, slot]
        return {
            "image": image,
            "box": rows[:, :4],
            "score": rows[:, 4],
            "label": rows[:, 5].long() - 1,
            "epochs": rows[:, 6].long(),
        }

    def state_dict(self, summed_over_ranks: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Return all that a run that goes on has to know."""
        return {"new": summed_over_ranks(self._new).clone(), "kept": self._kept.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor], *, first: bool) -> None:
        """Go on from there; ``first`` as for `LabelMemory.load_state_dict`.

        Raises:
            ValueError: a memory of another number of images.
        """
        if state["new"].shape != self._new.shape:
            raise ValueError(
                f"Expected a memory of {self._new.shape[0]} images, but got one of {state['new'].shape[0]}: the data "
                "are not those that the run was started with."
            )
        device = self._new.device
        self._new = state["new"].to(device).clone() if first else torch.zeros_like(self._new)
        self._kept = state["kept"].to(device).clone()


def in_frame(boxes: Tensor, frame: Tensor) -> Tensor:
    """Return boxes in parts of the image's sides, whatever scaled, moved or mirrored the image.

    Arguments:
        boxes: [k, 4] xyxy.
        frame: [2, 4] where the image's upper left half and its upper left quarter are now.

    Examples:
        >>> frame = torch.tensor([[50.0, 0.0, 100.0, 50.0], [75.0, 0.0, 100.0, 25.0]])  # mirrored, sides of 100
        >>> in_frame(torch.tensor([[0.0, 0.0, 25.0, 50.0]]), frame)
        tensor([[0.7500, 0.0000, 1.0000, 0.5000]])
    """
    half, quarter = frame.float()
    sides = (2 * (half[2:] - half[:2])).clamp(min=1e-6)
    mirrored = quarter[:2] - half[:2] > sides / 8
    first = torch.where(mirrored, half[2:] - boxes[:, 2:], boxes[:, :2] - half[:2]) / sides
    last = torch.where(mirrored, half[2:] - boxes[:, :2], boxes[:, 2:] - half[:2]) / sides
    return torch.cat([first, last], dim=1).clamp(0, 1)


def _strongest(boxes: Tensor, score: Tensor, label: Tensor) -> Tensor:
    """Return the best places [SLOTS, FIELDS]: one after the other, without those that overlap one before."""
    overlap = box_iou(boxes, boxes)
    entries = torch.cat([boxes, score[:, None], label[:, None].float() + 1], dim=1)
    left = score
    chosen = []
    for _ in range(SLOTS):
        place = left.argmax()
        there = left.gather(0, place[None]) > 0
        chosen.append(entries.index_select(0, place[None]) * there)
        left = left.masked_fill(overlap.index_select(0, place[None])[0] >= TAKEN, 0.0)
        left = left.scatter(0, place[None], 0.0)
    return torch.cat(chosen)


def _pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU of every box of an image with every other, [images, a, b]."""
    low = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    high = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    common = (high - low).clamp(min=0).prod(dim=3)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=2) for boxes in (first, second)]
    return common / (areas[0][:, :, None] + areas[1][:, None] - common).clamp(min=1e-12)
