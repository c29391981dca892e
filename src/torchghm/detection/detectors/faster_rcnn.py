"""torchvision's Faster R-CNN and the box part of its Mask R-CNN, harmonized."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

from torchghm.detection.detectors.harmonized import HarmonizedDetector, LossPlan, Observer, Stage
from torchghm.detection.detectors.roi_heads import HarmonizedRoIHeads
from torchghm.detection.detectors.rpn import HarmonizedRPN
from torchghm.detection.examples.batch_examples import DetectionExamples, feature_maps
from torchghm.detection.examples.ignored import forget_regions, watch_regions


class HarmonizedFasterRCNN(HarmonizedDetector, FasterRCNN):  # type: ignore[misc]
    """A Faster R-CNN whose two heads have the losses; made by `harmonize`, never built itself."""

    stages: ClassVar[tuple[Stage, ...]] = ("both", "rpn", "roi")
    parts: ClassVar[dict[str, tuple[type[nn.Module], type[nn.Module]]]] = {
        "rpn": (RegionProposalNetwork, HarmonizedRPN),
        "roi_heads": (RoIHeads, HarmonizedRoIHeads),
    }
    has_background_column: ClassVar[bool] = True

    stage: Stage
    # Of torchvision's class:
    rpn: Any
    roi_heads: Any

    @classmethod
    def activations(cls, stage: Stage) -> tuple[str, ...]:
        """Return how ``cls_loss`` may read the logits; the first where it does not say."""
        return ("softmax",) if stage == "roi" else ("sigmoid",)

    @property
    def cls_loss(self) -> nn.Module | None:  # type: ignore[override]
        """The classification loss of the stage that has one: ``model.rpn.cls_loss`` or ``model.roi_heads.cls_loss``."""
        head = self.roi_heads if self.stage == "roi" else self.rpn
        return head.cls_loss  # type: ignore[no-any-return]

    @property
    def box_loss(self) -> nn.Module | None:  # type: ignore[override]
        """The box loss of the first stage that has one; the second's is ``model.roi_heads.box_loss``."""
        head = self.roi_heads if self.stage == "roi" else self.rpn
        return head.box_loss  # type: ignore[no-any-return]

    @property
    def observer(self) -> Observer | None:
        """Who else sees what the second stage's losses see."""
        return self.roi_heads.observer  # type: ignore[no-any-return]

    @observer.setter
    def observer(self, observer: Observer | None) -> None:
        self.roi_heads.observer = observer

    @property
    def cls_terms(self) -> tuple[str, ...]:  # type: ignore[override]
        """Which of the losses that the detector returns ``cls_loss`` makes."""
        return ("loss_classifier",) if self.stage == "roi" else ("loss_objectness",)

    @property
    def box_terms(self) -> tuple[str, ...]:  # type: ignore[override]
        """Which of them ``box_loss`` or its copy makes."""
        return {
            "both": ("loss_rpn_box_reg", "loss_box_reg"),
            "rpn": ("loss_rpn_box_reg",),
            "roi": ("loss_box_reg",),
        }[self.stage]

    def attach(self, plan: LossPlan) -> None:
        """Take the losses; the classes are ours already."""
        self.stage = plan.stage
        watch_regions(self.transform)
        self.rpn.attach(plan)
        self.roi_heads.attach(plan)

    def detach(self) -> None:
        """Give everything back but the classes."""
        forget_regions(self.transform)
        self.rpn.detach()
        self.roi_heads.detach()
        del self.stage

    def loss_examples(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> DetectionExamples:
        """Return what the losses of the first stage that has any would see of these images."""
        batch, targets = self.transform(images, targets)
        features = feature_maps(self.backbone, batch.tensors)
        if self.stage != "roi":
            return self.rpn.loss_examples(batch, features, targets)  # type: ignore[no-any-return]
        proposals, _ = self.rpn(batch, features, targets)
        return self.roi_heads.loss_examples(  # type: ignore[no-any-return]
            features, proposals, batch.image_sizes, targets
        )


class HarmonizedMaskRCNN(HarmonizedFasterRCNN, MaskRCNN):  # type: ignore[misc]
    """A Mask R-CNN whose boxes have the losses of `HarmonizedFasterRCNN`; its masks keep theirs."""
