"""torchvision's SSD and SSDLite, harmonized: every default box counts, none is mined."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision.models.detection.ssd import SSD
from torchvision.ops import boxes as box_ops

from torchghm.detection.detectors.harmonized import LossPlan, Stage
from torchghm.detection.detectors.one_stage import OneStageDetector, match_by_iou
from torchghm.detection.examples.batch_examples import without_weights
from torchghm.functional.examples import Activation


class HarmonizedSSD(OneStageDetector, SSD):  # type: ignore[misc]
    """An SSD whose losses are ``cls_loss`` and ``box_loss``; made by `harmonize`, never built itself.

    A ``cls_loss`` of ``activation="softmax"`` sees all K + 1 columns, background 0. Any other is called as RetinaNet's:
    without the background's column, which then means nothing, and detections are scored by the sigmoid too.
    """

    has_background_column: ClassVar[bool] = True
    activation: Activation
    # Of torchvision's class:
    box_coder: Any
    proposal_matcher: Any

    @classmethod
    def activations(cls, stage: Stage) -> tuple[str, ...]:
        """Return how ``cls_loss`` may read the logits; the first where it does not say."""
        return ("sigmoid", "softmax")

    def attach(self, plan: LossPlan) -> None:
        """Take the losses; the classes are ours already."""
        super().attach(plan)
        softmax = plan.cls_loss is None or getattr(plan.cls_loss, "activation", "sigmoid") == "softmax"
        self.activation = "softmax" if softmax else "sigmoid"

    def detach(self) -> None:
        """Give everything back but the classes."""
        super().detach()
        del self.activation

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """Return the losses of a batch: ``bbox_regression`` and ``classification``."""
        losses: dict[str, Tensor] = {}
        matched = self.without_ignored(matched_idxs, targets, anchors)
        if self.cls_loss is None or self.box_loss is None:
            losses = super().compute_loss(targets, self.for_own_loss(head_outputs, matched), anchors, matched)
        return self.replace_losses(losses, self.observed_examples(targets, head_outputs, anchors, matched))

    def match(self, targets: list[dict[str, Tensor]], anchors: list[Tensor]) -> list[Tensor]:
        """Return the object of each default box, [A] an image; -1 for background (there is no band between)."""
        return match_by_iou(self.proposal_matcher, targets, anchors)

    def residuals(self, predicted: Tensor, boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted and true encoded boxes, [P, 4] each, without the coder's weights 10, 10, 5, 5."""
        coder = self.box_coder
        return without_weights(coder, predicted), without_weights(coder, coder.encode_single(boxes, anchors))

    def read_classes(self, logits: Tensor, labels: list[Tensor]) -> tuple[Tensor, list[Tensor], Activation]:
        """Return the logits, the objects' labels as their columns, and how they are read."""
        if self.activation == "softmax":
            return logits, labels, "softmax"
        return logits[..., 1:], [image_labels - 1 for image_labels in labels], "sigmoid"

    def postprocess_detections(
        self, head_outputs: dict[str, Tensor], image_anchors: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Return the detections of a batch; the steps are torchvision's, the scores those that were trained."""
        if self.activation == "softmax":
            detections: list[dict[str, Tensor]] = super().postprocess_detections(
                head_outputs, image_anchors, image_shapes
            )
            return detections
        every_score = head_outputs["cls_logits"][..., 1:].sigmoid()  # [B, A, K]
        detections = []
        for encoded, scores, anchors, shape in zip(
            head_outputs["bbox_regression"], every_score, image_anchors, image_shapes, strict=True
        ):
            boxes = box_ops.clip_boxes_to_image(self.box_coder.decode_single(encoded, anchors), shape)
            best, index = scores.topk(min(self.topk_candidates, scores.shape[0]), dim=0)  # of each class
            kept = best > self.score_thresh
            labels = torch.arange(1, scores.shape[1] + 1, device=scores.device).expand_as(best)[kept]
            best, boxes = best[kept], boxes[index[kept]]
            chosen = box_ops.batched_nms(boxes, best, labels, self.nms_thresh)[: self.detections_per_img]
            detections.append({"boxes": boxes[chosen], "scores": best[chosen], "labels": labels[chosen]})
        return detections
