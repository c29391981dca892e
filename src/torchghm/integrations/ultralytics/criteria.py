"""Ultralytics' criteria with our losses in the places of theirs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from ultralytics.models.utils.loss import RTDETRDetectionLoss
from ultralytics.utils.loss import BboxLoss, E2ELoss, v8DetectionLoss
from ultralytics.utils.torch_utils import unwrap_model

from torchghm.integrations.branches import BranchLosses
from torchghm.integrations.host_weights import Weights, with_host_weights
from torchghm.integrations.queries import class_targets, focal_weights, quality_targets
from torchghm.losses.state.ranks import rank_count

COORDINATES = 4
"""RT-DETR adds up a box's coordinates, where our losses take their mean."""


class TrainingLosses:
    """The losses of a trainer, by branch; no module, or the host would average and halve them with the weights."""

    def __init__(
        self, cls_loss: nn.Module | None, box_loss: nn.Module | None, weights: Weights | None = "none"
    ) -> None:
        cls_loss, self.host_weights = with_host_weights(cls_loss, weights)
        self.cls_losses = None if cls_loss is None else BranchLosses(cls_loss)
        self.box_losses = None if box_loss is None else BranchLosses(box_loss)

    def all(self) -> dict[str, BranchLosses]:
        """Those that there are, by name."""
        both = {"cls_losses": self.cls_losses, "box_losses": self.box_losses}
        return {name: losses for name, losses in both.items() if losses is not None}


class TaskAlignedEntropy:
    """Stands for the host's binary cross entropy, called with logits and the soft targets of its assigner [B, A, K].

    The host adds up what it returns and divides by the sum of the targets, at least 1: multiplied by that, the loss's
    own mean over positives remains.
    """

    def __init__(self, losses: BranchLosses, branch: str) -> None:
        self.losses = losses
        self.branch = branch

    def __call__(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return a scalar whose sum over the host's divisor is the loss."""
        loss: Tensor = self.losses(self.branch, scores, targets, training=scores.requires_grad)
        return loss * targets.sum(dtype=loss.dtype).clamp(min=1)


class HarmonizedBboxLoss(BboxLoss):  # type: ignore[misc]
    """The host's box loss without distributions, whose L1 of the distances to the sides becomes our box loss."""

    def __init__(self, losses: BranchLosses, branch: str) -> None:
        super().__init__(reg_max=1)
        self.__dict__["losses"] = losses
        self.branch = branch

    def forward(self, pred_dist: Tensor, pred_bboxes: Tensor, anchor_points: Tensor, *assigned: Any) -> Any:
        """Return the overlap loss of the host, and ours of distances as fractions of the image.

        Arguments:
            pred_dist: [B, A, 4] distances to the sides in strides.
            pred_bboxes, anchor_points: of the host.
            assigned: target boxes [B, A, 4] in strides, soft targets [B, A, K], their sum, which anchors [B, A] are
                positive, the image's height and width, and the strides [A, 1].
        """
        target_bboxes, target_scores, _, positive, size, stride = assigned
        overlap, _ = super().forward(pred_dist, pred_bboxes, anchor_points, *assigned)
        # Distances of the true sides from the anchor: left, top, right, bottom.
        low, high = target_bboxes.chunk(2, -1)
        true = torch.cat([anchor_points - low, high - anchor_points], -1)
        unit = stride / size[[1, 0, 1, 0]]
        weight = target_scores.sum(-1)[positive]
        losses: BranchLosses = self.__dict__["losses"]
        loss = losses(
            self.branch,
            (pred_dist * unit)[positive],
            (true * unit)[positive],
            weight,
            training=pred_dist.requires_grad,
        )
        # The host's is a sum over positives of their weights, through at least 1.
        total = weight.sum()
        return overlap, loss * (total / total.clamp(min=1))


class HarmonizedRTDETRLoss(RTDETRDetectionLoss):  # type: ignore[misc]
    """Ultralytics' RT-DETR criterion: varifocal loss and L1 replaced; generalized IoU stays."""

    harmonized: TrainingLosses

    def forward(self, preds: Any, batch: Any, dn_bboxes: Any = None, dn_scores: Any = None, dn_meta: Any = None) -> Any:
        """Return the host's dictionary of losses, ours among them."""
        self.seen: Counter[str] = Counter()
        terms = super().forward(preds, batch, dn_bboxes=dn_bboxes, dn_scores=dn_scores, dn_meta=dn_meta)
        if dn_meta is None and preds[1].requires_grad and rank_count() > 1:
            self._call_empty_branches(*preds)  # last, as the other ranks do
        return terms

    def _branch(self, term: str, postfix: str) -> str:
        """Layers come in turn: the last one, then from the first."""
        self.seen[term + postfix] += 1
        index = self.seen[term + postfix] - 2
        return f"{'last' if index < 0 else f'auxiliary_{index}'}{postfix}"

    def _get_loss_class(
        self, pred_scores: Tensor, targets: Tensor, gt_scores: Tensor, num_gts: int, postfix: str = ""
    ) -> Any:
        losses = self.harmonized.cls_losses
        if losses is None:
            return super()._get_loss_class(pred_scores, targets, gt_scores, num_gts, postfix)
        queries = (targets < self.nc).nonzero(as_tuple=True)
        wanted = quality_targets(pred_scores, queries, targets[queries], gt_scores[queries])
        weights = None
        if self.harmonized.host_weights:
            labels, quality = targets[queries], gt_scores[queries]
            weights = focal_weights(pred_scores, queries, labels, quality, alpha=self.vfl.alpha, gamma=self.vfl.gamma)
        branch, training = self._branch("class", postfix), pred_scores.requires_grad
        loss = losses(branch, pred_scores, wanted, weights, training=training)
        if self.harmonized.host_weights:
            loss = loss / max(num_gts, 1)
        return {f"loss_class{postfix}": self.loss_gain["class"] * loss}

    def _get_loss_bbox(self, pred_bboxes: Tensor, gt_bboxes: Tensor, postfix: str = "") -> Any:
        terms = super()._get_loss_bbox(pred_bboxes, gt_bboxes, postfix)
        losses = self.harmonized.box_losses
        if losses is not None:
            # Also without an object: other ranks may have some.
            loss = losses(self._branch("bbox", postfix), pred_bboxes, gt_bboxes, training=pred_bboxes.requires_grad)
            terms[f"loss_bbox{postfix}"] = self.loss_gain["bbox"] * COORDINATES * loss
        return terms

    def _call_empty_branches(self, boxes: Tensor, scores: Tensor) -> None:
        """Take part in the sums over ranks for denoising queries that this rank, without an object, does not have."""
        for index in range(boxes.shape[0] - 1):  # of the decoder alone
            name = "last_dn" if index == 0 else f"auxiliary_{index - 1}_dn"
            if self.harmonized.cls_losses is not None:
                no_query = scores[0, :0]
                none = (torch.zeros(0, dtype=torch.int64, device=scores.device),) * 2
                targets = class_targets(no_query, none, none[0], background=-1)
                self.harmonized.cls_losses(name, no_query, targets, training=True)
            if self.harmonized.box_losses is not None:
                no_box = boxes[0, 0, :0]
                self.harmonized.box_losses(name, no_box, no_box.detach(), training=True)


def harmonize_criterion(model: Any, losses: TrainingLosses) -> None:
    """Put the losses into the criterion of a model that is about to be trained, in place.

    Raises:
        TypeError: a model whose criterion is not known.
        ValueError: class weights beside a harmonized loss, or a box loss where the head predicts distributions.
    """
    model = unwrap_model(model)
    criterion = getattr(model, "criterion", None)
    if criterion is None:
        criterion = model.init_criterion()
    if type(criterion) is v8DetectionLoss:
        branches = {"one2many": criterion}
    elif type(criterion) is E2ELoss and type(criterion.one2many) is v8DetectionLoss:
        branches = {"one2many": criterion.one2many, "one2one": criterion.one2one}
    elif type(criterion) is RTDETRDetectionLoss:
        criterion.__class__ = HarmonizedRTDETRLoss
        criterion.harmonized = losses
        branches = {}
    else:
        raise TypeError(
            "Expected a model for boxes of YOLO (v8 to 26) or RT-DETR, whose criterion is v8DetectionLoss, E2ELoss or "
            f"RTDETRDetectionLoss, but got {type(model).__name__} with {type(criterion).__name__}."
        )
    for name, branch in branches.items():
        if losses.cls_losses is not None:
            if branch.class_weights is not None:
                raise ValueError("Expected cls_pw=0 beside `cls_loss`: the classes would be weighed twice.")
            branch.bce = TaskAlignedEntropy(losses.cls_losses, name)
        if losses.box_losses is not None:
            if branch.reg_max > 1:
                raise ValueError(
                    f"Expected no argument `box_loss` for a head with reg_max={branch.reg_max}: it predicts "
                    "distributions and has no coordinates. YOLO26 has reg_max=1."
                )
            branch.bbox_loss = HarmonizedBboxLoss(losses.box_losses, name).to(branch.device)
    model.criterion = criterion
