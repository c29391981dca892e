"""Give a model of Transformers harmonized losses through ``model.loss_function``."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel

from torchghm.integrations.host_weights import Weights
from torchghm.integrations.hosts import warn_untested
from torchghm.integrations.transformers.detection import DETECTORS, DetectionLosses, Targets
from torchghm.integrations.transformers.tasks import TASK_OF_LOSS_TYPE, TaskHook, TaskLoss

Model = TypeVar("Model", bound=nn.Module)


def harmonize(
    model: Model,
    cls_loss: nn.Module | None = None,
    box_loss: nn.Module | None = None,
    *,
    targets: Targets | None = None,
    weights: Weights | None = None,
    probe: dict[str, Any] | None = None,
) -> Model:
    """Give a model harmonized losses, in place; `restore` takes them out.

    A detector returns the same dictionary of losses with the same keys and weights. Every decoder layer, and every
    layer of denoising queries, has a copy of the loss with a state of its own. Matching, generalized IoU and D-FINE's
    distributions stay. The states are not among the model's weights: `StateCallback` saves them.

    Arguments:
        model: RT-DETR (both versions), D-FINE, DETR, Deformable, Conditional or DAB DETR
            (``...ForObjectDetection``), or with a ``probe`` a model of `TASK_OF_LOSS_TYPE`.
        cls_loss: with ``activation="softmax"`` for DETR, which has a column for "no object", and for classification;
            else ``"sigmoid"``. None keeps the host's.
        box_loss: of the matched boxes, centre and size as fractions of the image; None keeps the host's L1. Its mean
            over coordinates times 4, as the host adds them up.
        targets: of a sigmoid ``cls_loss``: ``"quality"`` (the overlap of a matched box with its object, as varifocal
            loss has them) or ``"class"`` (1); None for what the host's own loss has.
        weights: of the examples of a `GHMCLoss` with those targets: ``"host"`` (varifocal loss's weights, and its
            divisor, the number of objects) or ``"none"`` (1, and the sum of the targets); None for the host's.
        probe: a batch with labels, for anything but a detector: many heads never ask for ``model.loss_function``, and
            whether this one does is found out by calling it.

    Returns:
        ``model``.

    Raises:
        TypeError: a model that is not known.
        ValueError: a loss whose options don't fit, or a head that did not call the hook.

    Examples:
        >>> import torchghm
        >>> from transformers import RTDetrConfig, RTDetrForObjectDetection  # doctest: +SKIP
        >>> model = harmonize(RTDetrForObjectDetection(RTDetrConfig()), torchghm.GHMCLoss())  # doctest: +SKIP
    """
    warn_untested("transformers")
    name = type(model).__name__
    if not isinstance(model, PreTrainedModel) or not (
        name in DETECTORS or (getattr(model, "loss_type", None) or "") in TASK_OF_LOSS_TYPE
    ):
        raise TypeError(
            f"Expected argument `model` to be one of transformers' {', '.join(DETECTORS)}, or of a class "
            f"...{', ...'.join(TASK_OF_LOSS_TYPE)}, but got {type(model).__module__}.{type(model).__qualname__}."
        )
    if name in DETECTORS:
        model.loss_function = DetectionLosses(model, cls_loss, box_loss, targets, weights)
        return model
    if box_loss is not None or cls_loss is None:
        raise ValueError(f"Expected `cls_loss` and no `box_loss` for a {name}, which has no boxes.")
    if probe is None:
        raise ValueError(
            f"Expected argument `probe` to be a batch with labels for a {name}, but got None: many heads never ask for "
            "`model.loss_function`. Trainer(compute_loss_func=compute_loss_func(model, cls_loss)) needs none."
        )
    loss = TaskLoss(model, cls_loss, TASK_OF_LOSS_TYPE[model.loss_type])
    model.loss_function = TaskHook(loss)
    _check_hook(model, probe)
    return model


def restore(model: Model) -> Model:
    """Give a model its host's own loss function back, in place."""
    if hasattr(model, "_loss_function"):
        del model._loss_function
    return model


def _check_hook(model: Any, probe: dict[str, Any]) -> None:
    """Call the model once, in evaluation, to see that it asks for its loss function."""
    hook, called = model.loss_function, []

    def noted(*args: Any, **kwargs: Any) -> Any:
        called.append(True)
        return hook(*args, **kwargs)

    training = model.training
    model.loss_function = noted
    try:
        with torch.no_grad():
            model.eval()(**probe)
    finally:
        model.train(training)
        model.loss_function = hook
    if not called:
        restore(model)
        raise ValueError(
            f"{type(model).__name__} computes its loss itself and never asks for `model.loss_function`, so that "
            "another one there would do nothing: use Trainer(compute_loss_func=compute_loss_func(model, cls_loss)), or "
            "call the loss yourself on outputs.logits."
        )
