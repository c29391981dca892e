"""torchvision's RetinaNet, harmonized: both losses over all images and levels at once."""

from __future__ import annotations

from torch import Tensor
from torchvision.models.detection import RetinaNet

from torchghm.detection.detectors.one_stage import OneStageDetector, match_by_iou
from torchghm.detection.examples import scope
from torchghm.detection.examples.batch_examples import without_weights


class HarmonizedRetinaNet(OneStageDetector, RetinaNet):  # type: ignore[misc]
    """A RetinaNet whose losses are ``cls_loss`` and ``box_loss``; made by `harmonize`, never built itself.

    With a ``box_loss`` the second version's head, made for generalized IoU, is trained on encoded residuals as the
    first's: GHM-R needs coordinates.
    """

    def compute_loss(
        self, targets: list[dict[str, Tensor]], head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses of a batch: ``classification`` and ``bbox_regression``."""
        matched = self.without_ignored(self.match(targets, anchors), targets, anchors)
        examples = self.observed_examples(targets, head_outputs, anchors, matched)
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
        """Return the object of each anchor, [A] an image; -1 for background, -2 between the thresholds."""
        return match_by_iou(self.proposal_matcher, targets, anchors)

    def residuals(self, predicted: Tensor, boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted and true encoded boxes, [P, 4] each."""
        coder = self.head.regression_head.box_coder
        return without_weights(coder, predicted), without_weights(coder, coder.encode_single(boxes, anchors))
