"""torchvision's region proposal network, harmonized: every anchor counts, none is sampled."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers

from torchghm.detection.detectors.harmonized import LossPlan
from torchghm.detection.examples import scope
from torchghm.detection.examples.batch_examples import (
    BACKGROUND,
    IGNORED,
    DetectionExamples,
    forget_levels,
    remember_levels,
    without_weights,
)
from torchghm.detection.examples.ignored import without_ignored


class HarmonizedRPN(RegionProposalNetwork):  # type: ignore[misc]
    """An RPN whose losses are ``cls_loss`` (an object or none) and ``box_loss``; made by `harmonize`."""

    cls_loss: nn.Module | None
    box_loss: nn.Module | None

    def attach(self, plan: LossPlan) -> None:
        """Take the losses that are meant for the RPN."""
        chosen = plan.stage in ("both", "rpn")
        self.cls_loss = plan.by_level(plan.cls_loss, self.anchor_generator) if chosen else None
        self.box_loss = plan.by_level(plan.box_loss, self.anchor_generator) if chosen else None
        self.anchor_generator.register_forward_hook(remember_levels)

    def detach(self) -> None:
        """Give everything back but the class."""
        forget_levels(self.anchor_generator)
        for name in ("cls_loss", "box_loss"):
            delattr(self, name)

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return labels, 1 object, 0 background, -1 no example, and the matched boxes."""
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        return without_ignored(labels, anchors, targets, background=0, ignored=-1), boxes

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of objectness and that of the boxes."""
        objectness_loss = box_loss = objectness.new_zeros(())
        if self.cls_loss is None or self.box_loss is None:
            objectness_loss, box_loss = super().compute_loss(objectness, pred_bbox_deltas, labels, regression_targets)
        examples = self.examples(objectness, pred_bbox_deltas, labels, regression_targets)
        if self.cls_loss is not None:
            objectness_loss = scope.classification_loss(self.cls_loss, examples)
        if self.box_loss is not None:
            box_loss = scope.box_loss(self.box_loss, examples)
        return objectness_loss, box_loss

    def examples(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> DetectionExamples:
        """Return what the losses see.

        Arguments:
            objectness: [B A, 1].
            pred_bbox_deltas: [B A, 4].
            labels: [A] an image; 1 object, 0 background, -1 no example.
            regression_targets: [A, 4] an image.
        """
        label = torch.stack(labels)
        positive = label == 1
        targets = torch.where(positive, 0, torch.where(label == 0, BACKGROUND, IGNORED))
        return DetectionExamples(
            objectness.view(*label.shape, 1),
            targets,
            without_weights(self.box_coder, pred_bbox_deltas.view(*label.shape, 4)[positive]),
            without_weights(self.box_coder, torch.stack(regression_targets)[positive]),
            positive.nonzero()[:, 1],
            self.anchor_generator.level_sizes,
        )

    def loss_examples(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]]
    ) -> DetectionExamples:
        """Return what the losses would see of a batch's features."""
        levels = list(features.values())
        objectness, deltas = concat_box_prediction_layers(*self.head(levels))
        anchors = self.anchor_generator(images, levels)
        labels, boxes = self.assign_targets_to_anchors(anchors, targets)
        return self.examples(objectness, deltas, labels, self.box_coder.encode(boxes, anchors))
