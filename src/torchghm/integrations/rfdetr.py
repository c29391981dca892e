"""RF-DETR's criterion with harmonized losses."""

from __future__ import annotations

from typing import Any, TypeVar

from torchghm.integrations.hosts import check_installed, warn_untested

check_installed("rfdetr", "pip install 'torchghm[rfdetr]'")

import torch  # noqa: E402
from rfdetr.models.criterion import SetCriterion  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from torchghm.integrations.arguments import check_host_losses  # noqa: E402
from torchghm.integrations.branches import BranchLosses  # noqa: E402
from torchghm.integrations.host_weights import Weights, with_host_weights  # noqa: E402
from torchghm.integrations.queries import check_label_range, focal_weights, overlap, quality_targets  # noqa: E402

Module = TypeVar("Module", bound=nn.Module)

COORDINATES = 4
"""The host adds up a box's coordinates, where our losses take their mean."""
LEAST_TARGET = 0.01
"""The host's least target of a matched query."""
GAMMA = 2
"""The host's exponent: a negative of score p weighs p^gamma, a matched query 1."""


class HarmonizedSetCriterion(SetCriterion):  # type: ignore[misc]
    """Made by `harmonize`: branches are ``last``, ``auxiliary_0`` and so on, and ``encoder``."""

    cls_losses: BranchLosses | None
    box_losses: BranchLosses | None
    host_weights: bool

    def forward(self, outputs: Any, targets: Any, num_boxes: Any = None) -> Any:
        """Return the host's dictionary of losses, ours among them."""
        if targets and "valid" in targets[0]:
            raise ValueError("Expected targets of their own sizes, but got padded ones: leave `pad_targets_to` unset.")
        check_label_range([target["labels"] for target in targets], outputs["pred_logits"].shape[-1])
        names = {id(part): f"auxiliary_{index}" for index, part in enumerate(outputs.get("aux_outputs", ()))}
        if "enc_outputs" in outputs:
            names[id(outputs["enc_outputs"])] = "encoder"
        self.names = names
        return super().forward(outputs, targets, num_boxes)

    def calls(self) -> dict[str, int]:
        """How often each kind of loss was called in training."""
        both = {"cls_losses": self.cls_losses, "box_losses": self.box_losses}
        return {name: losses.calls for name, losses in both.items() if losses is not None}

    def loss_labels(
        self,
        outputs: Any,
        targets: Any,
        indices: Any,
        num_boxes: Any,
        log: bool = True,
        matched_targets: Any = None,
    ) -> Any:
        """Return the classification of one branch, with p^a IoU^(1 - a) for the target of a matched query."""
        if self.cls_losses is None:
            return super().loss_labels(outputs, targets, indices, num_boxes, log, matched_targets)
        logits = outputs["pred_logits"]
        matched = self._get_matched_targets(targets, indices) if matched_targets is None else matched_targets
        queries = matched.source_indices
        quality = overlap(outputs["pred_boxes"][queries].detach(), matched.boxes)
        if self.ia_bce_loss:
            score = logits.detach()[queries[0], queries[1], matched.labels].to(quality.dtype).sigmoid()
            quality = (score**self.focal_alpha * quality ** (1 - self.focal_alpha)).clamp(min=LEAST_TARGET)
        wanted = quality_targets(logits, queries, matched.labels, quality)
        weights = None
        if self.host_weights:
            weights = focal_weights(logits, queries, matched.labels, torch.ones_like(quality), alpha=1, gamma=GAMMA)
        loss: Tensor = self.cls_losses(self._branch(outputs), logits, wanted, weights, training=self.training)
        losses = {"loss_ce": loss / num_boxes if self.host_weights else loss}
        if log:
            right = logits.detach()[queries].argmax(-1) == matched.labels
            losses["class_error"] = 100 - 100 * right.float().sum() / max(right.numel(), 1)
        return losses

    def loss_boxes(self, outputs: Any, targets: Any, indices: Any, *more: Any, **options: Any) -> Any:
        """Return L1 and generalized IoU of one branch, L1 being ours."""
        losses = super().loss_boxes(outputs, targets, indices, *more, **options)
        if self.box_losses is not None:
            matched = options.get("matched_targets") or self._get_matched_targets(targets, indices)
            predicted = outputs["pred_boxes"][matched.source_indices]
            loss: Tensor = self.box_losses(self._branch(outputs), predicted, matched.boxes, training=self.training)
            losses["loss_bbox"] = COORDINATES * loss
        return losses

    def _branch(self, outputs: Any) -> str:
        return self.names.get(id(outputs), "last")


class CheckedModule:
    """Mixed into an `RFDETRModelModule` by `harmonize`: its first batch has to call the losses."""

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> Any:
        """Note the calls before the batch."""
        harmonized: HarmonizedSetCriterion = self.__dict__["harmonized"]
        self.__dict__["calls_before"] = harmonized.calls()
        return super().on_train_batch_start(*args, **kwargs)  # type: ignore[misc]

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> Any:
        """Raise a RuntimeError if a loss was not called since."""
        harmonized: HarmonizedSetCriterion = self.__dict__["harmonized"]
        for name, calls in harmonized.calls().items():
            if calls == self.__dict__["calls_before"][name]:
                raise RuntimeError(
                    f"The harmonized {name} of this {type(self).__name__} were not called in a step: it computes "
                    "another loss. Was its criterion, or the criterion's `losses`, replaced after harmonize()? Call "
                    "harmonize() last."
                )
        return super().on_train_batch_end(*args, **kwargs)  # type: ignore[misc]


def harmonize(
    module: Module,
    cls_loss: nn.Module | None = None,
    box_loss: nn.Module | None = None,
    *,
    weights: Weights | None = None,
) -> Module:
    """Give RF-DETR harmonized losses, in place.

    The losses are submodules of the criterion: a Lightning checkpoint of the module holds their states.

    Arguments:
        module: an `RFDETRModelModule` for boxes, or its criterion, a `SetCriterion`.
        cls_loss: with ``activation="sigmoid"``; the targets are those of the host's IoU-aware cross entropy. None
            keeps the host's.
        box_loss: of matched boxes, centre and size as fractions of the image; None keeps the host's L1. Its mean over
            coordinates times 4, as the host adds them up.
        weights: of the examples of a `GHMCLoss` with those targets: ``"host"`` (p^2 of a negative, and the number of
            objects for a divisor) or ``"none"`` (1, and the sum of the targets); None for the host's.

    Returns:
        ``module``.

    Raises:
        TypeError: a module without such a criterion.
        ValueError: a loss whose options don't fit, masks or keypoints, or padded targets.
        RuntimeError: after a step of an `RFDETRModelModule` in which a loss was not called.
    """
    warn_untested("rfdetr")
    criterion: Any = module if isinstance(module, SetCriterion) else getattr(module, "criterion", None)
    if type(criterion) not in (SetCriterion, HarmonizedSetCriterion):
        raise TypeError(
            "Expected argument `module` to be an RFDETRModelModule or a SetCriterion of rfdetr, but got "
            f"{type(module).__module__}.{type(module).__qualname__}."
        )
    check_host_losses(cls_loss, box_loss)
    if not {"labels", "boxes"} <= set(criterion.losses) or {"masks", "keypoints"} & set(criterion.losses):
        raise ValueError(f"Expected a criterion of boxes alone, but got one of {', '.join(criterion.losses)}.")
    cls_loss, host_weights = with_host_weights(cls_loss, weights, offered=criterion.ia_bce_loss)
    criterion.__class__ = HarmonizedSetCriterion
    criterion.host_weights = host_weights
    criterion.cls_losses = None if cls_loss is None else BranchLosses(cls_loss)
    criterion.box_losses = None if box_loss is None else BranchLosses(box_loss)
    criterion.names = {}
    if hasattr(module, "on_train_batch_end"):
        module.__dict__["harmonized"] = criterion  # no submodule twice
        if not isinstance(module, CheckedModule):
            module.__class__ = type(type(module).__name__, (CheckedModule, type(module)), {})
    return module
