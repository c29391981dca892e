"""The anchors over which the density is measured: the whole batch, each level, or each level in turn."""

from __future__ import annotations

from copy import deepcopy
from typing import Literal, cast

import torch
from torch import Tensor, nn

from torchghm.detection.examples.batch_examples import IGNORED, DetectionExamples
from torchghm.detection.examples.quality import quality_targets
from torchghm.losses import (
    ASL1Loss,
    GHMCLoss,
    GHMRLoss,
    HandoverLoss,
    QualityFocalLoss,
    ReferenceGHMC,
    ReferenceGHMR,
    SmoothL1Loss,
)
from torchghm.losses.baselines.unharmonized import UnharmonizedLoss
from torchghm.losses.harmonized import HarmonizedLoss

Scope = Literal["batch", "level", "reference"]


class LevelLosses(nn.Module):
    """One harmonized loss with a state of its own for each level; together the mean over all levels' examples."""

    def __init__(self, loss: HarmonizedLoss, levels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(deepcopy(loss) for _ in range(levels))

    def forward(self, batches: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return sum_l n_l L_l / sum_l n_l for one (inputs, targets) a level, n_l being what L_l is a mean over."""
        losses: list[Tensor] = []
        totals: list[Tensor] = []
        for loss, (inputs, targets) in zip(self.levels, batches, strict=True):
            losses.append(loss(inputs, targets))
            totals.append(cast(Tensor, loss.last_total))
        total = torch.stack(totals)
        # A mean over fewer than one is a sum: so is that of a level without a positive.
        share = total.clamp(min=1) / total.sum().clamp(min=1)
        return (torch.stack(losses) * share.to(losses[0].dtype)).sum()

    @property
    def diagnostics(self) -> object:
        """The record of the first (finest, most crowded) level's loss."""
        return self.levels[0].diagnostics


_CLS_LOSSES = (GHMCLoss, ReferenceGHMC, UnharmonizedLoss, HandoverLoss)
_BOX_LOSSES = (GHMRLoss, ReferenceGHMR, SmoothL1Loss, ASL1Loss)
_DECIDED: dict[str, tuple[object, ...]] = {
    "class_dim": (-1,),
    "ignore_index": (IGNORED,),
    "reduction": ("mean", "sum"),
}
"""Options of a loss that a detector's logits and targets leave no choice in."""


def check_options(cls_loss: nn.Module | None, box_loss: nn.Module | None, activations: tuple[str, ...]) -> None:
    """Refuse losses that would read the logits or targets in another way, or return more than one number.

    Arguments:
        cls_loss, box_loss: those of `harmonize`; a TypeError where one is no loss, or of the other kind.
        activations: how the detector's logits may be read.
    """
    kinds = {"cls_loss": ("classification", _BOX_LOSSES), "box_loss": ("box", _CLS_LOSSES)}
    for argument, loss in (("cls_loss", cls_loss), ("box_loss", box_loss)):
        kind, others = kinds[argument]
        if loss is not None and (not isinstance(loss, nn.Module) or isinstance(loss, others)):
            found = type(loss).__name__ if isinstance(loss, nn.Module) else repr(loss)
            raise TypeError(f"Expected argument `{argument}` to be a {kind} loss, a module, or None, but got {found}.")
        for option, choices in {"activation": activations, **_DECIDED}.items():
            value = getattr(loss, option, choices[0])
            if value not in choices:
                raise ValueError(
                    f"Expected argument `{argument}` to be a loss with {option}="
                    f"{' or '.join(map(repr, choices))}, but got {option}={value!r}."
                )


def check_scope(cls_loss: nn.Module | None, box_loss: nn.Module | None, scope: Scope) -> None:
    """Refuse losses that have no such scope; one without a density sees the whole batch in any."""
    losses = {"cls_loss": cls_loss, "box_loss": box_loss}
    for argument, loss in losses.items():
        if isinstance(loss, LevelLosses):
            raise ValueError(f"Expected argument `{argument}` to be a new loss, but got those of a detector's levels.")
    reference = {name for name, loss in losses.items() if isinstance(loss, ReferenceGHMC | ReferenceGHMR)}
    harmonized = {name for name, loss in losses.items() if isinstance(loss, HarmonizedLoss)}
    for argument in sorted(harmonized) if scope == "reference" else ():
        raise ValueError(
            f"Expected argument `{argument}` to be a ReferenceGHMC or ReferenceGHMR for scope='reference', "
            f"but got {type(losses[argument]).__name__}."
        )
    for argument, loss in losses.items() if scope != "batch" else ():
        if isinstance(loss, HandoverLoss):
            raise ValueError(f"Expected scope='batch' for argument `{argument}`, a HandoverLoss, but got {scope!r}.")
    for argument in sorted(reference) if scope != "reference" else ():
        raise ValueError(f"Expected scope='reference' for {type(losses[argument]).__name__}, but got {scope!r}.")
    for argument in sorted(harmonized) if scope == "level" else ():
        reduction = getattr(losses[argument], "reduction", "mean")
        if reduction != "mean":
            raise ValueError(
                f"Expected argument `{argument}` to be a loss with reduction='mean' for scope='level', "
                f"but got {reduction!r}."
            )
    if scope != "batch" and not reference | harmonized:
        names = " and ".join(type(loss).__name__ for loss in losses.values() if loss is not None) or "none"
        raise ValueError(f"Expected a loss that has a density for scope={scope!r}, but got {names}.")


def classification_loss(loss: nn.Module, examples: DetectionExamples) -> Tensor:
    """Return the classification loss of a batch, as the kind of loss asks for it."""
    result: Tensor
    if isinstance(loss, LevelLosses):
        result = loss([(level.logits, level.targets) for level in examples.levels()])
    elif isinstance(loss, ReferenceGHMC):
        result = torch.stack([_reference(loss, level) for level in examples.levels()]).sum()
    elif isinstance(loss, QualityFocalLoss):
        result = loss(examples.logits, *quality_targets(examples))
    else:
        result = loss(examples.logits, examples.targets)
    return result


def box_loss(loss: nn.Module, examples: DetectionExamples) -> Tensor:
    """Return the box loss of a batch, as the kind of loss asks for it."""
    result: Tensor
    if isinstance(loss, LevelLosses):
        result = loss([(level.predicted, level.encoded) for level in examples.levels()])
    elif isinstance(loss, ReferenceGHMR):
        losses = [loss(level.predicted, level.encoded, torch.ones_like(level.encoded)) for level in examples.levels()]
        result = torch.stack(losses).sum()
    else:
        result = loss(examples.predicted, examples.encoded)
    return result


def _reference(loss: ReferenceGHMC, level: DetectionExamples) -> Tensor:
    targets = level.targets.flatten()
    result: Tensor = loss(level.logits.flatten(0, 1), targets, (targets != IGNORED).float())
    return result
