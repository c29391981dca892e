"""Loss function of a harmonized detector of Transformers."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn
from transformers.loss.loss_utils import LOSS_MAPPING

from torchghm.functional.arguments import check_choice
from torchghm.integrations.arguments import check_host_losses
from torchghm.integrations.branches import BranchLosses
from torchghm.integrations.host_weights import Weights, with_host_weights
from torchghm.integrations.queries import check_label_range
from torchghm.integrations.transformers.criteria import (
    HarmonizedCriterion,
    HarmonizedDeformableLoss,
    HarmonizedDFineLoss,
    HarmonizedImageLoss,
    HarmonizedRTDetrLoss,
)

Targets = Literal["quality", "class"]


class Detector(NamedTuple):
    """One class of the host."""

    criterion: str
    """Name of the class of its criterion in the module of its loss function."""
    ours: type[HarmonizedCriterion]
    targets: Targets
    """Targets of its own loss: the overlap of the matched box, or the class alone."""


DETECTORS = {
    "RTDetrForObjectDetection": Detector("RTDetrLoss", HarmonizedRTDetrLoss, "quality"),
    "RTDetrV2ForObjectDetection": Detector("RTDetrLoss", HarmonizedRTDetrLoss, "quality"),
    "DFineForObjectDetection": Detector("DFineLoss", HarmonizedDFineLoss, "quality"),
    "DetrForObjectDetection": Detector("ImageLoss", HarmonizedImageLoss, "class"),
    "DeformableDetrForObjectDetection": Detector("DeformableDetrImageLoss", HarmonizedDeformableLoss, "class"),
    "ConditionalDetrForObjectDetection": Detector("DeformableDetrImageLoss", HarmonizedDeformableLoss, "class"),
    "DabDetrForObjectDetection": Detector("DeformableDetrImageLoss", HarmonizedDeformableLoss, "class"),
}
"""By the name of the model's class."""


class DetectionLosses:
    """The ``loss_function`` of a harmonized detector: the host's own, which builds our criterion in place of its own.

    It is no module, so that the losses' states stay out of the model's weights: `StateCallback` saves them, or your
    loop by ``state_dict`` and ``load_state_dict``.

    Arguments:
        model: one of `DETECTORS`.
        cls_loss, box_loss, targets, weights: those of `harmonize`.
    """

    def __init__(
        self,
        model: nn.Module,
        cls_loss: nn.Module | None,
        box_loss: nn.Module | None,
        targets: Targets | None = None,
        weights: Weights | None = None,
    ) -> None:
        self.model: Any = model
        self.detector = DETECTORS[type(model).__name__]
        softmax = self.detector.ours.softmax
        check_host_losses(cls_loss, box_loss, ("softmax",) if softmax else ("sigmoid",))
        if targets is None:
            targets = self.detector.targets
        check_choice("targets", targets, ("class",) if softmax else ("quality", "class"))
        self.targets: Targets = targets
        cls_loss, self.host_weights = with_host_weights(cls_loss, weights, offered=targets == "quality")
        self.cls_losses = None if cls_loss is None else BranchLosses(cls_loss)
        self.box_losses = None if box_loss is None else BranchLosses(box_loss)

    @property
    def training(self) -> bool:
        """Whether the model is, and so whether averages over iterations move."""
        return bool(self.model.training)

    @property
    def calls(self) -> int:
        """How often a loss was called in training."""
        return sum(losses.calls for losses in (self.cls_losses, self.box_losses) if losses is not None)

    def __call__(self, logits: Tensor, labels: list[dict[str, Tensor]], *args: Any, **kwargs: Any) -> Any:
        """Return what the host's loss function returns: the loss, the dictionary of losses, auxiliary outputs."""
        check_label_range([label["class_labels"] for label in labels], self.model.config.num_labels)
        return self._host_function()(logits, labels, *args, **kwargs)

    def _host_function(self) -> FunctionType:
        """The host's function, looking up its criterion's name among our globals: nothing of the host is changed."""
        function = LOSS_MAPPING[self.model.loss_type]
        name = self.detector.criterion
        if name not in function.__code__.co_names:
            raise RuntimeError(
                f"{function.__module__}.{function.__name__} of this version of transformers builds no {name}: "
                "docs/hosts.md lists the versions that were tested."
            )
        ours = {**function.__globals__, name: self._criterion}
        return FunctionType(function.__code__, ours, function.__name__, function.__defaults__, function.__closure__)

    def _criterion(self, *args: Any, **kwargs: Any) -> HarmonizedCriterion:
        criterion = self.detector.ours(*args, **kwargs)
        criterion.harmonized = self
        return criterion

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """The averages over iterations of all branches."""
        return {name: losses.state_dict() for name, losses in self._losses().items()}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Restore them.

        Raises:
            ValueError: a state of another set of losses.
            RuntimeError: a state of other shapes.
        """
        own = self._losses()
        if own.keys() != state.keys():
            raise ValueError(f"Expected a state of {', '.join(own)}, but got one of {', '.join(state)}.")
        for name, losses in own.items():
            losses.load_state_dict(state[name])

    def _losses(self) -> dict[str, BranchLosses]:
        both = {"cls_losses": self.cls_losses, "box_losses": self.box_losses}
        return {name: losses for name, losses in both.items() if losses is not None}
