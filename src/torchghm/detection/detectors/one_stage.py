"""Base of RetinaNet, FCOS and SSD once they are harmonized."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchvision.ops import boxes as box_ops

from torchghm.detection.detectors.harmonized import HarmonizedDetector, LossPlan
from torchghm.detection.examples import scope
from torchghm.detection.examples.batch_examples import (
    BACKGROUND,
    UNMATCHED,
    BoxEncoding,
    DetectionExamples,
    anchor_targets,
    batch_objects,
    feature_maps,
    forget_levels,
    matched_boxes,
    remember_levels,
)
from torchghm.detection.examples.ignored import SILENT, forget_regions, watch_regions, without_ignored
from torchghm.detection.examples.quality import decoded
from torchghm.functional.examples import Activation


class OneStageDetector(HarmonizedDetector):
    """Losses over all anchors of all images and levels at once."""

    box_encoding: ClassVar[BoxEncoding] = "center"
    background_channel: bool

    # Of torchvision's classes:
    head: Any
    anchor_generator: Any

    def attach(self, plan: LossPlan) -> None:
        """Take the losses; the classes are ours already."""
        self.cls_loss = plan.by_level(plan.cls_loss, self.anchor_generator)
        self.box_loss = plan.by_level(plan.box_loss, self.anchor_generator)
        self.background_channel = plan.background_channel
        self.anchor_generator.register_forward_hook(remember_levels)
        watch_regions(self.transform)

    def detach(self) -> None:
        """Give everything back but the classes."""
        forget_levels(self.anchor_generator)
        forget_regions(self.transform)
        self.__dict__.pop("observer", None)
        for name in ("cls_loss", "box_loss", "background_channel"):
            delattr(self, name)

    def match(self, targets: list[dict[str, Tensor]], anchors: list[Tensor]) -> list[Tensor]:
        """Return the object of each anchor, [A] an image; -1 for background, -2 between the thresholds."""
        raise NotImplementedError

    def without_ignored(
        self, matched: list[Tensor], targets: list[dict[str, Tensor]], anchors: list[Tensor]
    ) -> list[Tensor]:
        """Leave out what is matched as background and lies mostly in one of the target's ``ignored_boxes``."""
        return without_ignored(matched, anchors, targets, BACKGROUND, UNMATCHED)

    def for_own_loss(self, head_outputs: dict[str, Tensor], matched: list[Tensor]) -> dict[str, Tensor]:
        """Return the outputs with sure background for anchors that are no example, whose loss and gradient are then 0.

        torchvision's losses of an FCOS and of an SSD know objects and background only.
        """
        ignored = (torch.stack(matched) == UNMATCHED)[..., None]
        silent = torch.full_like(head_outputs["cls_logits"][:1, :1], SILENT)
        if self.has_background_column:
            silent[..., 0] = 0
        return {**head_outputs, "cls_logits": torch.where(ignored, silent, head_outputs["cls_logits"])}

    def residuals(self, predicted: Tensor, boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted and true encoded boxes [P, 4] in units of the anchor's size.

        Arguments:
            predicted: [P, 4] of the head.
            boxes: [P, 4] objects xyxy in pixels.
            anchors: [P, 4] xyxy in pixels.
        """
        raise NotImplementedError

    def read_classes(self, logits: Tensor, labels: list[Tensor]) -> tuple[Tensor, list[Tensor], Activation]:
        """Return the logits, the objects' labels as their columns, and how they are read."""
        if self.background_channel:  # never positive: a K-th of all examples would say nothing but "easy"
            return logits[..., 1:], [image_labels - 1 for image_labels in labels], "sigmoid"
        return logits, labels, "sigmoid"

    def postprocess_detections(
        self, head_outputs: dict[str, Any], anchors: list[Any], image_shapes: list[tuple[int, int]], /
    ) -> list[dict[str, Tensor]]:
        """Return the detections of each image; none of a background channel, which no loss has taught to be silent."""
        if self.background_channel:
            levels = [nn.functional.pad(level[..., 1:], (1, 0), value=-inf) for level in head_outputs["cls_logits"]]
            head_outputs = {**head_outputs, "cls_logits": levels}
        detections: list[dict[str, Tensor]] = super().postprocess_detections(  # type: ignore[misc]
            head_outputs, anchors, image_shapes
        )
        return detections

    def examples(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched: list[Tensor],
    ) -> DetectionExamples:
        """Return what the losses see."""
        logits, labels, activation = self.read_classes(
            head_outputs["cls_logits"], [target["labels"] for target in targets]
        )
        label = anchor_targets(labels, matched, background=0 if activation == "softmax" else BACKGROUND)
        positive = torch.stack(matched) >= 0
        rows, positive_anchors = positive.nonzero(as_tuple=True)
        predicted, encoded = self.residuals(
            head_outputs["bbox_regression"][positive], matched_boxes(targets, matched), torch.stack(anchors)[positive]
        )
        return DetectionExamples(
            logits,
            label,
            predicted,
            encoded,
            positive_anchors,
            self.anchor_generator.level_sizes,
            activation,
            self.box_encoding,
            rows,
            batch_objects(matched, [target["labels"].shape[0] for target in targets], rows, positive_anchors),
        )

    def observed_examples(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched: list[Tensor],
    ) -> DetectionExamples:
        """Return what the losses see of a training batch; the observer sees it too."""
        examples = self.examples(targets, head_outputs, anchors, matched)
        if self.observer is not None and self.training:

            def predicted_boxes(chosen: Tensor) -> Tensor:
                index = chosen[..., None].expand(-1, -1, 4)
                places = torch.stack(anchors).gather(1, index).flatten(0, 1)
                encoded, _ = self.residuals(
                    head_outputs["bbox_regression"].detach().gather(1, index).flatten(0, 1), places, places
                )
                return decoded(encoded, places, self.box_encoding).view(*chosen.shape, 4)

            self.observer(examples, targets, predicted_boxes)
        return examples

    def replace_losses(self, losses: dict[str, Tensor], examples: DetectionExamples) -> dict[str, Tensor]:
        """Return torchvision's losses with ours in place of those that are replaced."""
        if self.cls_loss is not None:
            losses["classification"] = scope.classification_loss(self.cls_loss, examples)
        if self.box_loss is not None:
            losses["bbox_regression"] = scope.box_loss(self.box_loss, examples)
        return losses

    def loss_examples(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> DetectionExamples:
        """Return what the losses would see of these images; the model's mode and its losses' state stay as they are."""
        batch, targets = self.transform(images, targets)
        features = list(feature_maps(self.backbone, batch.tensors).values())
        head_outputs = self.head(features)
        anchors = self.anchor_generator(batch, features)
        matched = self.without_ignored(self.match(targets, anchors), targets, anchors)
        return self.examples(targets, head_outputs, anchors, matched)


def match_by_iou(matcher: Any, targets: list[dict[str, Tensor]], anchors: list[Tensor]) -> list[Tensor]:
    """Apply one of torchvision's matchers image by image; where there is no object all is background."""
    matched = []
    for image_anchors, target in zip(anchors, targets, strict=True):
        if target["boxes"].numel() == 0:
            matched.append(image_anchors.new_full((image_anchors.shape[0],), BACKGROUND, dtype=torch.int64))
        else:
            matched.append(matcher(box_ops.box_iou(target["boxes"], image_anchors)))
    return matched
