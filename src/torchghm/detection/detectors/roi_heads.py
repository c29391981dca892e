"""torchvision's second stage, harmonized: the box loss of the sampled proposals, and their classes only if asked."""

from __future__ import annotations

from copy import deepcopy
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import roi_heads
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import box_iou

from torchghm.detection.detectors.harmonized import LossPlan, Observer
from torchghm.detection.examples import scope
from torchghm.detection.examples.batch_examples import DetectionExamples, without_weights
from torchghm.detection.examples.ignored import inside_ignored

_HOST_LOSS = "fastrcnn_loss"


class HarmonizedRoIHeads(RoIHeads):  # type: ignore[misc]
    """RoI heads whose losses are ``cls_loss`` and ``box_loss``; made by `harmonize`.

    Masks and keypoints keep torchvision's losses.
    """

    cls_loss: nn.Module | None
    box_loss: nn.Module | None
    observer: Observer | None = None
    """As a `HarmonizedDetector`'s; it gets nothing to decode boxes with."""
    drawn: tuple[list[Tensor], list[dict[str, Tensor]]] | None = None
    """For the observer: the object of each sampled proposal, by image, and the targets."""

    def attach(self, plan: LossPlan) -> None:
        """Take the losses that are meant for the second stage."""
        self.cls_loss = plan.cls_loss if plan.stage == "roi" else None
        self.box_loss = None if plan.stage == "rpn" else plan.box_loss
        if plan.stage == "both":  # a copy: the stages' residuals are spread differently, so each needs its own density
            self.box_loss = deepcopy(plan.box_loss)

    def detach(self) -> None:
        """Give everything back but the class."""
        del self.cls_loss, self.box_loss
        for name in ("observer", "drawn"):
            self.__dict__.pop(name, None)

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> Any:
        """Return detections and losses, as torchvision's.

        Raises:
            RuntimeError: a torchvision whose RoI heads compute their losses in another way.
        """
        code = RoIHeads.forward.__code__
        if _HOST_LOSS not in code.co_names:
            raise RuntimeError(f"Expected torchvision's RoIHeads.forward to call {_HOST_LOSS}, but it does not.")
        # torchvision's forward finds its loss among the globals of its module. Here the same code finds ours instead:
        # nothing is copied, and nothing that other models or threads could see is changed.
        host = FunctionType(code, {**vars(roi_heads), _HOST_LOSS: self.compute_loss})
        return host(self, features, proposals, image_shapes, targets)

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[dict[str, Tensor]] | None
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Return proposals drawn from those that match an object or lie in no ignored region."""
        if targets is not None:
            proposals = [
                boxes[~(inside_ignored(boxes, target) & self._background(boxes, target))]
                for boxes, target in zip(proposals, targets, strict=True)
            ]
        selected: tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]] = super().select_training_samples(
            proposals, targets
        )
        self.drawn = None if self.observer is None or targets is None else (selected[1], targets)
        return selected

    def _background(self, boxes: Tensor, target: dict[str, Tensor]) -> Tensor:
        if not target["boxes"].numel() or not boxes.numel():
            return boxes.new_ones(boxes.shape[0], dtype=torch.bool)
        best: Tensor = box_iou(target["boxes"].to(boxes.dtype), boxes).amax(dim=0)
        return best.lt(self.proposal_matcher.low_threshold)

    def compute_loss(
        self,
        class_logits: Tensor,
        box_regression: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of the classes and that of the boxes; called in place of ``fastrcnn_loss``."""
        classification, box = roi_heads.fastrcnn_loss(class_logits, box_regression, labels, regression_targets)
        examples = self.examples(class_logits, box_regression, labels, regression_targets)
        if self.observer is not None and self.drawn is not None:
            matched, targets = self.drawn
            self.drawn = None
            counts = torch.tensor([0, *(target["labels"].shape[0] for target in targets)]).cumsum(0).tolist()
            own = torch.cat([rows + first for rows, first in zip(matched, counts, strict=False)])
            objects = own[examples.positive_anchors]
            rows = torch.zeros_like(objects)  # all proposals are in one row of the logits
            self.observer(examples._replace(rows=rows, objects=objects), targets, None)
        if self.cls_loss is not None:
            classification = scope.classification_loss(self.cls_loss, examples)
        if self.box_loss is not None:
            box = scope.box_loss(self.box_loss, examples)
        return classification, box

    def examples(
        self,
        class_logits: Tensor,
        box_regression: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> DetectionExamples:
        """Return what the losses see: the proposals of all images in one row.

        Arguments:
            class_logits: [R, K + 1], column 0 the background.
            box_regression: [R, 4 (K + 1)], a box for each class.
            labels: class of each of an image's proposals, 0 for background.
            regression_targets: [R_i, 4] an image.
        """
        label = torch.cat(labels)
        positive = (label > 0).nonzero()[:, 0]
        of_class = box_regression.view(label.shape[0], box_regression.shape[1] // 4, 4)[positive, label[positive]]
        return DetectionExamples(
            class_logits[None],
            label[None],
            without_weights(self.box_coder, of_class),
            without_weights(self.box_coder, torch.cat(regression_targets)[positive]),
            positive,
            (label.shape[0],),
            "softmax",
        )

    def loss_examples(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> DetectionExamples:
        """Return what the losses would see of a batch's proposals; which of them is drawn by lot, as in training."""
        sampled, _, labels, regression_targets = self.select_training_samples(proposals, targets)
        pooled = self.box_head(self.box_roi_pool(features, sampled, image_shapes))
        class_logits, box_regression = self.box_predictor(pooled)
        return self.examples(class_logits, box_regression, labels, regression_targets)
