"""Base of every harmonized detector, and the losses that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from torchghm.detection.examples.batch_examples import DetectionExamples
from torchghm.detection.examples.labels import LabelsFromZero, check_labels
from torchghm.detection.examples.scope import LevelLosses, Scope
from torchghm.losses.harmonized import HarmonizedLoss

Stage = Literal["both", "rpn", "roi"]
Observer = Callable[[DetectionExamples, list[dict[str, Tensor]], Callable[[Tensor], Tensor] | None], None]
"""Called in training with the examples of a batch, its targets in the pixels of the model's input, and what decodes
anchors [B, k] of the examples to predicted boxes [B, k, 4] in the same pixels (None where there are no anchors)."""


class LossPlan(NamedTuple):
    """The arguments of `harmonize`."""

    cls_loss: nn.Module | None
    box_loss: nn.Module | None
    scope: Scope
    stage: Stage
    background_channel: bool

    def by_level(self, loss: nn.Module | None, anchor_generator: Any) -> nn.Module | None:
        """Return the loss, or one for each level where the scope asks for it and the loss has a density."""
        if self.scope != "level" or not isinstance(loss, HarmonizedLoss):
            return loss
        return LevelLosses(loss, len(anchor_generator.num_anchors_per_location()))


class HarmonizedDetector(nn.Module):
    """Mixed into torchvision's detectors by `harmonize`."""

    stages: ClassVar[tuple[Stage, ...]] = ()
    """Where losses may go; empty for a detector of one stage."""
    parts: ClassVar[dict[str, tuple[type[nn.Module], type[nn.Module]]]] = {}
    """Modules of the detector whose class is swapped too: by name, torchvision's and ours."""
    has_background_column: ClassVar[bool] = False
    """Whether column 0 of the logits is the background's by construction."""

    cls_loss: nn.Module | None
    box_loss: nn.Module | None
    cls_terms: tuple[str, ...] = ("classification",)
    """Which of the losses that the detector returns ``cls_loss`` makes."""
    box_terms: tuple[str, ...] = ("bbox_regression",)
    """Which of them ``box_loss`` makes."""

    observer: Observer | None = None
    """Who else sees what the losses see; of a Faster R-CNN, what those of the second stage see."""

    # Of torchvision's classes:
    transform: Any
    backbone: Any

    @classmethod
    def activations(cls, stage: Stage) -> tuple[str, ...]:
        """Return how ``cls_loss`` may read the logits; the first where it does not say."""
        return ("sigmoid",)

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Return losses in training, else detections, as torchvision's forward gives them.

        Raises:
            ValueError: a label below the first class; a GPU is not waited for.
        """
        self.check_labels(targets or [])
        return super().forward(images, targets)

    def check_labels(self, targets: list[dict[str, Tensor]]) -> None:
        """Refuse labels below the first class, which would silently be background."""
        from_zero = not self.has_background_column or isinstance(self.transform, LabelsFromZero)
        check_labels(targets, lowest=0 if from_zero and not getattr(self, "background_channel", False) else 1)

    def attach(self, plan: LossPlan) -> None:
        """Take the losses; the classes are ours already."""
        raise NotImplementedError

    def detach(self) -> None:
        """Give everything back but the classes."""
        raise NotImplementedError

    def loss_examples(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> DetectionExamples:
        """Return what the losses would see of these images; the model's mode and its losses' state stay as they are."""
        raise NotImplementedError
