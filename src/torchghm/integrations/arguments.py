"""Which losses a host can take."""

from __future__ import annotations

from torch import nn

from torchghm.losses import ASL1Loss, GHMCLoss, GHMRLoss, HandoverLoss, ReferenceGHMC, ReferenceGHMR, SmoothL1Loss
from torchghm.losses.baselines.unharmonized import UnharmonizedLoss

_CLS_LOSSES = (GHMCLoss, UnharmonizedLoss, HandoverLoss)
_BOX_LOSSES = (GHMRLoss, SmoothL1Loss, ASL1Loss)


def check_host_losses(
    cls_loss: nn.Module | None, box_loss: nn.Module | None, activations: tuple[str, ...] = ("sigmoid",)
) -> None:
    """Refuse losses that a host's logits, targets or boxes leave no room for.

    Arguments:
        cls_loss: None, or a classification loss of this package, of one of these activations.
        box_loss: None, or a box loss of this package.
        activations: how the host's logits may be read.

    Raises:
        TypeError: neither loss, another kind of loss, or the reference losses, whose call is mmdetection's.
        ValueError: an option that the host decides: activation, class_dim, ignore_index, reduction.
    """
    if cls_loss is None and box_loss is None:
        raise TypeError("Expected argument `cls_loss` or `box_loss` to be a loss, but got None for both.")
    kinds = {"cls_loss": (cls_loss, _CLS_LOSSES), "box_loss": (box_loss, _BOX_LOSSES)}
    for argument, (loss, kind) in kinds.items():
        if loss is None:
            continue
        if not isinstance(loss, kind):
            reference = isinstance(loss, ReferenceGHMC | ReferenceGHMR)
            raise TypeError(
                f"Expected argument `{argument}` to be None or a {kind[0].__name__} or another loss of its kind, but "
                f"got {type(loss).__name__}{', whose call is of mmdetection' if reference else ''}."
            )
        decided = {"activation": activations, "class_dim": (-1,), "ignore_index": (-100,), "reduction": ("mean",)}
        for option, choices in decided.items():
            value = getattr(loss, option, choices[0])
            if value not in choices:
                raise ValueError(
                    f"Expected argument `{argument}` to be a loss with {option}={' or '.join(map(repr, choices))}, "
                    f"but got {option}={value!r}."
                )
