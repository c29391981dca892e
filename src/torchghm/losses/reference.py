"""mmdetection's GHMC and GHMR, their numbers within rounding: for its configurations, checkpoints and results.

What differs from `GHMCLoss` and `GHMRLoss` on purpose: the average over iterations is over counts, starts at 0 without
correction and leaves empty regions as they were; ``label_weight`` only says what is valid; the normaliser is the number
of occupied regions; nothing is summed over ranks; the state changes in evaluation mode too. See docs/method.md.
What does not: the loops over regions and their host synchronisations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_integer, check_number
from torchghm.functional.examples import Reduction, compute_dtype
from torchghm.functional.weights import inverse
from torchghm.losses.diagnostics import Diagnostics
from torchghm.losses.state.density_state import DensityEstimate
from torchghm.losses.state.float32_buffers import Float32Buffers
from torchghm.losses.unscriptable import Unscriptable

_REDUCTIONS = ("mean", "none")
"""No sum: mmdetection passes an ``avg_factor``, with which its ``GHMC`` and ``GHMR`` refuse one, too."""


class _Reference(Float32Buffers, Unscriptable):
    edges: Tensor
    acc_sum: Tensor
    diagnostics: Diagnostics | None
    """Diagnostics of the last call (with a detector: the last level); None before the first."""

    def __init__(self, bins: int, momentum: float, loss_weight: float, reduction: Reduction, last_edge: float) -> None:
        super().__init__()
        check_integer("bins", bins, 1)
        check_number("momentum", momentum, "a number in [0, 1)", ok=lambda value: 0 <= value < 1)
        check_number("loss_weight", loss_weight, "a finite number", ok=lambda value: True)
        check_choice("reduction", reduction, _REDUCTIONS)
        self.bins = bins
        self.momentum = momentum
        self.loss_weight = loss_weight
        self.reduction: Reduction = reduction
        edges = torch.arange(bins + 1).float() / bins
        edges[-1] = last_edge
        self.register_buffer("edges", edges)
        if momentum > 0:
            self.register_buffer("acc_sum", torch.zeros(bins))
        self.diagnostics = None

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Load a state; also read what was saved with a momentum where there is none here, and the other way round."""
        state = cast(dict[str, Any], state_dict)
        if self.momentum == 0:
            state.pop(prefix + "acc_sum", None)
        elif prefix + "edges" in state:
            state.setdefault(prefix + "acc_sum", torch.zeros(self.bins))
        super()._load_from_state_dict(state, prefix, *args)

    @torch.no_grad()
    def _weights(
        self, loss: Tensor, gradient_norm: Tensor, valid: Tensor, total: Tensor, positive: Tensor | None
    ) -> Tensor:
        # Region j is [edge j, edge j+1); what lies in none of them, or is not valid, has weight 0.
        index = torch.bucketize(gradient_norm, self.edges, right=True) - 1
        outside = ~valid | gradient_norm.isnan() | (index < 0) | (index >= self.bins)
        index = index.masked_fill(outside, self.bins).flatten()
        ones = torch.ones((), dtype=torch.float64, device=index.device).expand(index.shape)
        count = torch.zeros(self.bins + 1, dtype=torch.float64, device=index.device).index_add_(0, index, ones)
        count = count[: self.bins].to(self.edges.dtype)
        average = count
        occupied = count > 0
        if self.momentum > 0:
            average = self.momentum * self.acc_sum + (1 - self.momentum) * count
            self.acc_sum.copy_(average.where(occupied, self.acc_sum))
            average = self.acc_sum
        table = torch.where(occupied, total / average.where(occupied, 1.0), 0.0) / occupied.sum().clamp(min=1)
        weights = torch.cat([table, table.new_zeros(1)])[index].view_as(gradient_norm)
        # What the diagnostics show; nothing below changes a number of the loss.
        gradient = weights * gradient_norm
        parts = [loss.masked_fill(outside, 0.0), gradient, gradient * (0.0 if positive is None else positive)]
        estimate = DensityEstimate(average * inverse(average.sum()), count * inverse(count.sum()), count.sum())
        sums = torch.stack([part.sum(dtype=torch.float64) for part in parts])
        local = torch.cat([count, count.new_zeros(2)])
        self.diagnostics = Diagnostics(estimate, table, sums, local, self.bins, has_positives=positive is not None)
        return weights

    def _reduce(self, loss: Tensor, weights: Tensor, total: Tensor, reduction: Reduction | None) -> Tensor:
        if reduction is not None:
            check_choice("reduction_override", reduction, _REDUCTIONS)
        weighed = loss * weights * self.loss_weight
        return weighed if (reduction or self.reduction) == "none" else weighed.sum() / total


class ReferenceGHMC(_Reference):
    """mmdetection's ``GHMC``: signature, buffers and numbers.

    Arguments:
        bins: M, the number of unit regions.
        momentum: of the running sum of counts; above 0 there is a buffer ``acc_sum``.
        use_sigmoid: must be True.
        loss_weight: factor of the loss.
        reduction: ``"mean"`` or ``"none"``.

    Source: libuyu/GHM_Detection (2018-19), kept in mmdetection as ``GHMC``.

    Examples:
        >>> loss = ReferenceGHMC(bins=30, momentum=0.75)
        >>> loss(torch.zeros(2, 1), torch.tensor([[1.0], [0.0]]), torch.ones(2, 1))  # 1/(1-a) too large
        tensor(2.7726)
    """

    def __init__(
        self,
        bins: int = 10,
        momentum: float = 0,
        use_sigmoid: bool = True,
        loss_weight: float = 1.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(bins, momentum, loss_weight, reduction, 1 + 1e-6)
        if not use_sigmoid:
            raise NotImplementedError(
                f"Expected argument `use_sigmoid` to be True, the reference's only form, but got {use_sigmoid!r}."
            )
        self.use_sigmoid = use_sigmoid

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        label_weight: Tensor,
        reduction_override: Reduction | None = None,
        **kwargs: object,
    ) -> Tensor:
        """Return the loss.

        Arguments:
            pred: logits [N, K].
            target: [N, K] of 0 and 1, or [N] class indices (anything outside 0..K-1 is background).
            label_weight: shaped like ``target``; above 0 is valid.
            reduction_override: in place of ``reduction``.
            kwargs: ignored, as in the reference (``avg_factor``).
        """
        if pred.dim() == target.dim() + 1:
            classes = torch.arange(pred.shape[-1], device=pred.device)
            _check_shapes(pred[..., 0], target=target, label_weight=label_weight)
            target = target[..., None] == classes
            label_weight = label_weight[..., None].expand_as(target)
        _check_shapes(pred, target=target, label_weight=label_weight)
        pred = pred.to(compute_dtype(pred))
        target = target.float()
        valid = label_weight > 0
        total = valid.sum().clamp(min=1).to(torch.float32)
        gradient_norm = (pred.detach().sigmoid() - target).abs()
        loss = F.binary_cross_entropy_with_logits(pred, target, reduction="none")
        weights = self._weights(loss, gradient_norm, valid, total, target)
        return self._reduce(loss, weights, total, reduction_override)


class ReferenceGHMR(_Reference):
    """mmdetection's ``GHMR``: signature, buffers and numbers.

    Arguments:
        mu: of ASL1.
        bins, momentum, loss_weight, reduction: as in `ReferenceGHMC`.

    Source: libuyu/GHM_Detection (2018-19), kept in mmdetection as ``GHMR``.

    Examples:
        >>> loss = ReferenceGHMR(mu=4.0, bins=10)
        >>> loss(torch.tensor([[3.0]]), torch.tensor([[0.0]]), torch.ones(1, 1))
        tensor(1.)
    """

    def __init__(
        self,
        mu: float = 0.02,
        bins: int = 10,
        momentum: float = 0,
        loss_weight: float = 1.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(bins, momentum, loss_weight, reduction, 1e3)
        check_number("mu", mu, "a number above 0", ok=lambda value: value > 0)
        self.mu = mu

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        label_weight: Tensor,
        avg_factor: object = None,
        reduction_override: Reduction | None = None,
    ) -> Tensor:
        """Return the loss.

        Arguments:
            pred, target: encoded boxes [N, 4].
            label_weight: shaped like ``pred``; above 0 is valid, the sum is the normaliser.
            avg_factor: ignored, as in the reference.
            reduction_override: in place of ``reduction``.
        """
        _check_shapes(pred, target=target, label_weight=label_weight)
        residual = pred.to(compute_dtype(pred)) - target
        root = torch.sqrt(residual * residual + self.mu * self.mu)
        gradient_norm = (residual / root).abs().detach()
        total = label_weight.float().sum().clamp(min=1)
        loss = root - self.mu
        weights = self._weights(loss, gradient_norm, label_weight > 0, total, None)
        return self._reduce(loss, weights, total, reduction_override)


def _check_shapes(pred: Tensor, **others: Tensor) -> None:
    """Refuse what the reference would broadcast: a column beside a row becomes a square of examples that are none."""
    for name, tensor in others.items():
        if tensor.shape != pred.shape:
            raise ValueError(
                f"Expected argument `{name}` to be shaped like `pred` {list(pred.shape)}, but got {list(tensor.shape)}."
            )
