"""The criteria of the DETR family with our losses in the places of theirs; matching and all else stay the host's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.loss.loss_d_fine import DFineLoss
from transformers.loss.loss_deformable_detr import DeformableDetrImageLoss
from transformers.loss.loss_for_object_detection import ImageLoss
from transformers.loss.loss_rt_detr import RTDetrLoss

from torchghm.integrations.queries import class_targets, focal_weights, overlap, quality_targets
from torchghm.losses.state.ranks import rank_count

if TYPE_CHECKING:
    from torchghm.integrations.transformers.detection import DetectionLosses

COORDINATES = 4
"""The hosts add up a box's coordinates, where our losses take their mean."""


class HarmonizedCriterion:
    """Mixed into a criterion of Transformers, which builds one for every call.

    Branches are ``last``, ``auxiliary_0`` and so on, and ``denoising_0`` and so on.
    """

    cls_term: str
    """Name of the classification in the criterion."""
    cls_key: str
    """Under which key it returns it: weights are looked up by it, and a loss under another is dropped."""
    softmax = False

    harmonized: DetectionLosses

    # Of the host's classes:
    num_classes: int
    alpha: float
    gamma: float
    _get_source_permutation_idx: Any

    def forward(self, outputs: dict[str, Any], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the host's dictionary of losses, ours among them."""
        self._names = {
            id(part): f"{name}_{index}"
            for name in ("auxiliary", "denoising")
            for index, part in enumerate(outputs.get(_PARTS[name], ()))
        }
        losses: dict[str, Tensor] = super().forward(outputs, targets)  # type: ignore[misc]
        self._call_empty_branches(outputs)  # last, as the other ranks do
        return losses

    def get_loss(
        self,
        loss: str,
        outputs: dict[str, Any],
        targets: list[dict[str, Tensor]],
        indices: list[tuple[Tensor, Tensor]],
        num_boxes: float,
    ) -> dict[str, Tensor]:
        """Return one term of one branch."""
        harmonized = self.harmonized
        if loss == self.cls_term and harmonized.cls_losses is not None:
            return {self.cls_key: self._classification(outputs, targets, indices, num_boxes)}
        losses: dict[str, Tensor] = super().get_loss(loss, outputs, targets, indices, num_boxes)  # type: ignore[misc]
        if loss == "boxes" and harmonized.box_losses is not None:
            queries = self._get_source_permutation_idx(indices)
            losses["loss_bbox"] = COORDINATES * harmonized.box_losses(
                self._branch(outputs),
                outputs["pred_boxes"][queries],
                _matched("boxes", targets, indices),
                training=harmonized.training,
            )
        return losses

    def _branch(self, outputs: dict[str, Any]) -> str:
        return self._names.get(id(outputs), "last")

    def _classification(
        self,
        outputs: dict[str, Any],
        targets: list[dict[str, Tensor]],
        indices: list[tuple[Tensor, Tensor]],
        num_boxes: float,
    ) -> Tensor:
        harmonized, logits, weights = self.harmonized, outputs["logits"], None
        queries = self._get_source_permutation_idx(indices)
        labels = _matched("class_labels", targets, indices)
        if self.softmax or harmonized.targets == "class":
            wanted = class_targets(logits, queries, labels, background=self.num_classes if self.softmax else -1)
        else:
            quality = overlap(outputs["pred_boxes"][queries].detach(), _matched("boxes", targets, indices))
            wanted = quality_targets(logits, queries, labels, quality)
            if harmonized.host_weights:
                weights = focal_weights(logits, queries, labels, quality, alpha=self.alpha, gamma=self.gamma)
        assert harmonized.cls_losses is not None
        branch, training = self._branch(outputs), harmonized.training
        loss: Tensor = harmonized.cls_losses(branch, logits, wanted, weights, training=training)
        return loss / num_boxes if harmonized.host_weights else loss

    def _call_empty_branches(self, outputs: dict[str, Any]) -> None:
        """Take part in the sums over ranks for denoising queries that this rank, without an object, does not have."""
        harmonized = self.harmonized
        config = harmonized.model.config
        if rank_count() == 1 or not harmonized.training or _PARTS["denoising"] in outputs:
            return
        if not getattr(config, "num_denoising", 0) or not config.auxiliary_loss:
            return
        logits, boxes = outputs["logits"][:0], outputs["pred_boxes"][:0, 0]
        background = torch.zeros(logits.shape[:2], dtype=torch.int64, device=logits.device)
        for index in range(config.decoder_layers):
            name = f"denoising_{index}"
            if harmonized.cls_losses is not None:
                harmonized.cls_losses(name, logits, background, training=True)
            if harmonized.box_losses is not None:
                harmonized.box_losses(name, boxes, boxes.detach(), training=True)


_PARTS = {"auxiliary": "auxiliary_outputs", "denoising": "dn_auxiliary_outputs"}


def _matched(key: str, targets: list[dict[str, Tensor]], indices: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return what the targets say of every matched object, in the order of the queries."""
    return torch.cat([target[key][chosen] for target, (_, chosen) in zip(targets, indices, strict=True)])


class HarmonizedRTDetrLoss(HarmonizedCriterion, RTDetrLoss):  # type: ignore[misc]
    """RT-DETR, both versions: varifocal loss and L1 replaced; generalized IoU stays."""

    cls_term, cls_key = "vfl", "loss_vfl"


class HarmonizedDFineLoss(HarmonizedCriterion, DFineLoss):  # type: ignore[misc]
    """D-FINE: the same; its distributions of edges stay."""

    cls_term, cls_key = "vfl", "loss_vfl"


class HarmonizedImageLoss(HarmonizedCriterion, ImageLoss):  # type: ignore[misc]
    """DETR: softmax over the classes and "no object", whose weight of ``eos_coefficient`` is dropped."""

    cls_term, cls_key = "labels", "loss_ce"
    softmax = True


class HarmonizedDeformableLoss(HarmonizedCriterion, DeformableDetrImageLoss):  # type: ignore[misc]
    """Deformable, Conditional and DAB DETR: focal loss of class labels, and L1."""

    cls_term, cls_key = "labels", "loss_ce"
