"""torchvision's FCOS, harmonized: classification and distances to the four sides; centerness as it is."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchvision.models.detection import FCOS
from torchvision.models.detection.fcos import FCOSHead

from torchghm.detection.detectors.one_stage import OneStageDetector
from torchghm.detection.examples.batch_examples import BoxEncoding, matched_boxes
from torchghm.losses.state.ranks import part_of_joint_mean, rank_count


class MatchingFCOSHead(FCOSHead):  # type: ignore[misc]
    """A head that hands on what `FCOS.compute_loss` matched, and leaves the losses to the detector."""

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> list[Tensor]:
        """Return the object of each anchor, [A] an image; -1 for background."""
        return matched_idxs


class HarmonizedFCOS(OneStageDetector, FCOS):  # type: ignore[misc]
    """An FCOS whose losses are ``cls_loss`` and ``box_loss``; made by `harmonize`, never built itself.

    ``box_loss`` sees the distances left, top, right and bottom in units of the anchor's side (the level's stride),
    where torchvision's loss is a generalized IoU. They are far larger than RetinaNet's residuals:
    ``GHMRLoss(mu="auto")`` follows them.
    """

    box_encoding: ClassVar[BoxEncoding] = "sides"
    parts: ClassVar = {"head": (FCOSHead, MatchingFCOSHead)}

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        num_anchors_per_level: list[int],
    ) -> dict[str, Tensor]:
        """Return the losses of a batch: ``classification``, ``bbox_regression`` and ``bbox_ctrness``."""
        matched = self.without_ignored(self.match(targets, anchors), targets, anchors)
        if self.cls_loss is None:
            losses: dict[str, Tensor] = FCOSHead.compute_loss(
                self.head, targets, self.for_own_loss(head_outputs, matched), anchors, matched
            )
        else:
            losses = self._losses_of_positives(targets, head_outputs, anchors, matched)
        if rank_count() > 1 and self.training:  # ours are means over all ranks' positives: so is the third
            positives = torch.stack(matched).ge(0).sum().to(losses["bbox_ctrness"].dtype)
            losses["bbox_ctrness"] = losses["bbox_ctrness"] * part_of_joint_mean(positives, least=1.0)
        return self.replace_losses(losses, self.observed_examples(targets, head_outputs, anchors, matched))

    def _losses_of_positives(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched: list[Tensor],
    ) -> dict[str, Tensor]:
        """Return torchvision's box and centerness losses, which know positives only.

        Its head sees the positives of the batch as the anchors of one image, and so computes no focal loss of the
        hundred thousand others.
        """
        positive = torch.stack(matched) >= 0
        boxes = matched_boxes(targets, matched)
        labels = torch.zeros(boxes.shape[0], dtype=torch.int64, device=boxes.device)
        losses: dict[str, Tensor] = FCOSHead.compute_loss(
            self.head,
            [{"boxes": boxes, "labels": labels}],
            {name: output[positive][None] for name, output in head_outputs.items()},
            [torch.stack(anchors)[positive]],
            [torch.arange(boxes.shape[0], device=boxes.device)],
        )
        return losses

    def match(self, targets: list[dict[str, Tensor]], anchors: list[Tensor]) -> list[Tensor]:
        """Return the object of each anchor, [A] an image; -1 for background (there is no band between)."""
        level_sizes = list(self.anchor_generator.level_sizes)
        matched: list[Tensor] = FCOS.compute_loss(self, targets, {}, anchors, level_sizes)
        return matched

    def residuals(self, predicted: Tensor, boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted and true distances to the sides, [P, 4] each."""
        return predicted, self.head.box_coder.encode(anchors, boxes)
