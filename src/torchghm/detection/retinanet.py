"""torchvision's RetinaNet, harmonized: both losses over all images and levels at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.ops import boxes as box_ops

from torchghm.detection import scope
from torchghm.detection.examples import AnchorGeometry, DetectionExamples, anchor_targets


class HarmonizedRetinaNet(RetinaNet):  # type: ignore[misc]
    """A RetinaNet whose losses are ``cls_loss`` and ``box_loss``; made by `harmonize`, never built itself."""

    cls_loss: nn.Module | None
    box_loss: nn.Module | None
    background_channel: bool
    ignore_padding: bool

    def compute_loss(
        self, targets: list[dict[str, Tensor]], head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses of a batch: ``classification`` and ``bbox_regression``."""
        matched = self.match(targets, anchors)
        examples = self.examples(targets, head_outputs, anchors, matched)
        head = self.head
        if self.cls_loss is None:
            classification = head.classification_head.compute_loss(targets, head_outputs, matched)
        else:
            classification = scope.classification_loss(self.cls_loss, examples)
        if self.box_loss is None:
            regression = head.regression_head.compute_loss(targets, head_outputs, anchors, matched)
        else:
            regression = scope.box_loss(self.box_loss, examples)
        return {"classification": classification, "bbox_regression": regression}

    def match(self, targets: list[dict[str, Tensor]], anchors: list[Tensor]) -> list[Tensor]:
        """Object of each anchor, [A] an image; -1 for background, -2 between the thresholds."""
        matched = []
        for image_anchors, target in zip(anchors, targets, strict=True):
            if target["boxes"].numel() == 0:
                matched.append(image_anchors.new_full((image_anchors.shape[0],), -1, dtype=torch.int64))
            else:
                matched.append(self.proposal_matcher(box_ops.box_iou(target["boxes"], image_anchors)))
        return matched

    def examples(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched: list[Tensor],
    ) -> DetectionExamples:
        """What the losses see."""
        geometry: AnchorGeometry = self.anchor_generator.geometry
        logits = head_outputs["cls_logits"]
        labels = [target["labels"] for target in targets]
        if self.background_channel:  # never positive: a K-th of all examples would say nothing but "easy"
            logits = logits[..., 1:]
            labels = [image_labels - 1 for image_labels in labels]
        positive = torch.stack(matched) >= 0
        objects = torch.cat(
            [
                target["boxes"][image_matched[image_matched >= 0]]
                for target, image_matched in zip(targets, matched, strict=True)
            ]
        )
        coder = self.head.regression_head.box_coder
        weights = logits.new_tensor(coder.weights, dtype=objects.dtype)
        encoded = coder.encode_single(objects, torch.stack(anchors)[positive])
        anchors_per_cell = anchors[0].shape[0] // sum(geometry.cells)
        return DetectionExamples(
            logits,
            anchor_targets(labels, matched, anchors, geometry, ignore_padding=self.ignore_padding),
            head_outputs["bbox_regression"][positive] / weights,
            encoded / weights,
            positive.nonzero()[:, 1],
            tuple(cells * anchors_per_cell for cells in geometry.cells),
        )


def retinanet_examples(
    model: HarmonizedRetinaNet, images: list[Tensor], targets: list[dict[str, Tensor]]
) -> DetectionExamples:
    """What the losses would see of these images; the model's mode and its losses' state stay as they are."""
    batch, targets = model.transform(images, targets)
    features = model.backbone(batch.tensors)
    features = [features] if isinstance(features, Tensor) else list(features.values())
    head_outputs = model.head(features)
    anchors = model.anchor_generator(batch, features)
    return model.examples(targets, head_outputs, anchors, model.match(targets, anchors))
