"""mmdetection: harmonized losses in its registry, ``loss_cls=dict(type="torchghm.GHMC")``.

Import it, or name it in ``custom_imports`` of a config; it needs mmengine alone.
"""

from __future__ import annotations

from typing import Any

from torchghm.integrations.hosts import check_installed, warn_untested

check_installed("mmengine", "pip install 'torchghm[mmdetection]'")

from mmengine.hooks import Hook  # noqa: E402
from mmengine.registry import HOOKS as ROOT_HOOKS  # noqa: E402
from mmengine.registry import MODELS as ROOT  # noqa: E402
from mmengine.registry import Registry  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from torchghm.losses import GHMCLoss, GHMRLoss, ReferenceGHMC, ReferenceGHMR  # noqa: E402

warn_untested("mmengine")
warn_untested("mmdet")

MODELS = Registry("model", parent=ROOT, scope="torchghm", locations=["torchghm.integrations.mmdetection"])
"""Found from every registry of models under mmengine's: ``type="torchghm.GHMC"`` and its neighbours."""

HOOKS = Registry("hook", parent=ROOT_HOOKS, scope="torchghm", locations=["torchghm.integrations.mmdetection"])
"""Has ``type="torchghm.CheckCalled"``."""

for _reference in (ReferenceGHMC, ReferenceGHMR):
    MODELS.register_module(module=_reference)


@MODELS.register_module()
class GHMC(nn.Module):
    """`torchghm.GHMCLoss` as mmdetection's heads call a classification loss.

    Called once a level by most of its heads, it has the density of a level, averaged over the levels and iterations.

    Arguments:
        loss_weight: the loss is multiplied by it.
        use_sigmoid: only True: heads ask for it.
        options: of `torchghm.GHMCLoss`.

    Examples:
        >>> import torch
        >>> loss = MODELS.build({"type": "torchghm.GHMC", "bins": 10})
        >>> float(loss(torch.zeros(2, 1), torch.tensor([0, 1]), avg_factor=1))  # an object, and background
        1.386...
    """

    def __init__(self, loss_weight: float = 1.0, use_sigmoid: bool = True, **options: Any) -> None:
        super().__init__()
        if not use_sigmoid:
            raise ValueError("Expected argument `use_sigmoid` to be True, but got False.")
        self.use_sigmoid = use_sigmoid
        self.loss_weight = loss_weight
        self.loss = GHMCLoss(**options)

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        label_weight: Tensor | None = None,
        avg_factor: Any = None,
        *,
        weight: Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Return the loss of the rows ``pred`` [N, K].

        Arguments:
            pred: logits.
            target: [N] classes, K for background, or [N, K] floats in [0, 1].
            label_weight, weight: None, [N] or [N, K] under either name: heads use both, or none.
            avg_factor: not used: the loss has its own mean.
            reduction_override: only None or ``"mean"``.

        Raises:
            ValueError: another reduction.
        """
        _check_reduction(reduction_override)
        if not target.is_floating_point():
            target = target.where(target != pred.shape[-1], -1)
        amount = weight if label_weight is None else label_weight
        loss: Tensor = self.loss(pred, target, amount)
        return self.loss_weight * loss


@MODELS.register_module()
class GHMR(nn.Module):
    """`torchghm.GHMRLoss` as mmdetection's heads call a box loss.

    Arguments:
        loss_weight: the loss is multiplied by it.
        options: of `torchghm.GHMRLoss`.
    """

    def __init__(self, loss_weight: float = 1.0, **options: Any) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss = GHMRLoss(**options)

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        label_weight: Tensor | None = None,
        avg_factor: Any = None,
        *,
        weight: Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Return the loss of encoded boxes [N, 4]; arguments as of `GHMC`, one weight a box or coordinate."""
        _check_reduction(reduction_override)
        loss: Tensor = self.loss(pred, target, weight if label_weight is None else label_weight)
        return self.loss_weight * loss


@HOOKS.register_module()
class CheckCalled(Hook):  # type: ignore[misc]
    """Stops a training whose first step does not call the losses: ``custom_hooks=[dict(type="torchghm.CheckCalled")]``.

    A head may build a loss and compute another one.
    """

    def before_train(self, runner: Any) -> None:
        """Listen to every harmonized loss of the model, until its first call.

        Raises:
            RuntimeError: a model without any.
        """
        kinds = (GHMC, GHMR, ReferenceGHMC, ReferenceGHMR)
        losses = {name: part for name, part in runner.model.named_modules() if isinstance(part, kinds)}
        if not losses:
            raise RuntimeError(
                f"No loss of torchghm is in this {type(runner.model).__name__}: set `loss_cls` or `loss_bbox` of its "
                'head to dict(type="torchghm.GHMC") or "torchghm.GHMR".'
            )
        self.called: set[str] = set()
        self.handles = {
            name: loss.register_forward_hook(lambda *_, name=name: self.called.add(name))
            for name, loss in losses.items()
        }

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Raise a RuntimeError if a loss was not called in the first step."""
        if not self.handles:
            return
        for handle in self.handles.values():
            handle.remove()
        silent = sorted(self.handles.keys() - self.called)
        self.handles = {}
        if silent:
            raise RuntimeError(
                f"The harmonized {', '.join(silent)} of this {type(runner.model).__name__} were not called in the "
                "first step: its head computes another loss. Choose a head that calls `loss_cls` and `loss_bbox`."
            )


def _check_reduction(reduction_override: str | None) -> None:
    if reduction_override not in (None, "mean"):
        raise ValueError(
            f"Expected argument `reduction_override` to be None or 'mean', but got {reduction_override!r}."
        )
