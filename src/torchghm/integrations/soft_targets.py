"""GHM-C for soft targets, with the gradient norm relative to the largest that a target allows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from torchghm.functional.classification import example_weight
from torchghm.functional.cross_entropy import sigmoid_cross_entropy
from torchghm.functional.density import gradient_histogram, region_index
from torchghm.functional.example_errors import check_weight
from torchghm.functional.examples import arrange_examples
from torchghm.functional.gradient_norm import sigmoid_norm
from torchghm.losses import GHMCLoss
from torchghm.losses.step import HarmonizingOptions, LogitBatch


class RelativeGHMCLoss(GHMCLoss):
    """GHM-C whose gradient norm of a soft target t is g = |p - t| / max(t, 1 - t), in [0, 1].

    `torchghm.GHMCLoss` has g = |p - t|, the size of the gradient, which is at most max(t, 1 - t): a missed positive of
    t = 0.5 lies among negatives with p = 0.5. Here a positive that is missed as far as its target allows has g = 1 like
    one of t = 1. With t of 0 or 1 both are the same. Losses and gradients are those of the same cross entropy; only the
    regions differ. Plain torch, on any device.

    Arguments:
        options: of `torchghm.GHMCLoss`, less ``activation`` ("sigmoid") and ``backend`` ("eager").

    Raises:
        TypeError: one of those two options.

    Source: ours, not in the paper.

    Examples:
        >>> loss = RelativeGHMCLoss(bins=2)
        >>> value = loss(torch.tensor([[-9.0, 9.0]]), torch.tensor([[0.4, 0.4]]))
        >>> loss.diagnostics.local_histogram[:2]  # missed: g = 0.4 / 0.6; too sure: g = 1
        tensor([0., 2.], dtype=torch.float64)
    """

    def __init__(self, bins: int = 30, momentum: float = 0.75, **options: Any) -> None:
        decided = {"activation", "backend"} & options.keys()
        if decided:
            raise TypeError(f"Expected no argument `{min(decided)}`: RelativeGHMCLoss decides it.")
        super().__init__(bins, momentum, activation="sigmoid", backend="eager", **options)

    def _arrange(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> LogitBatch:
        examples = arrange_examples(inputs, targets, weight, activation="sigmoid", class_dim=self.class_dim)
        if weight is not None and self._options().checks_values(inputs):
            check_weight(examples.weight)
        kind = RelativeBatch if targets.is_floating_point() else LogitBatch
        return kind(examples, "sigmoid", self.ignore_index)


class RelativeBatch(LogitBatch):
    """Logits with soft targets [R, K], counted and weighed by the relative norm."""

    def histogram(self, regions: int, options: HarmonizingOptions) -> Tensor:
        """Pass 1: examples by region, then how many are not finite, and invalid targets."""
        found = super().histogram(regions, options)
        with torch.no_grad():
            norm = self._norm(options)
            counted = gradient_histogram(norm, regions, example_weight(self.examples, norm))
            return torch.cat([counted.to(found.dtype), found[regions:]])

    def weighed_loss(self, table: Tensor, options: HarmonizingOptions) -> tuple[Tensor, Tensor]:
        """Pass 2: the loss, or that of every example with ``reduction="none"``, and the sums [3]."""
        logits, examples = self.examples.logits, self.examples
        with torch.no_grad():
            norm = self._norm(options)
            amount = example_weight(examples, norm)
            if options.leave_out_nonfinite:
                amount = amount.where(logits.isfinite(), 0.0)
            beta = torch.cat([table, table.new_zeros(1)])[region_index(norm, table.numel())] * amount
        if options.leave_out_nonfinite:
            examples = examples._replace(logits=logits.where(logits.detach().isfinite(), 0.0))
        entropy = sigmoid_cross_entropy(examples)
        loss = beta.to(entropy.dtype) * entropy
        with torch.no_grad():
            gradient = (beta * sigmoid_norm(examples)).nan_to_num()
            positive = (examples.targets.to(gradient.dtype) * gradient).sum()
            sums = torch.stack([(amount * entropy.detach()).sum(), gradient.sum(), positive])
        return (loss if options.reduction == "none" else loss.sum()), sums

    def _norm(self, options: HarmonizingOptions) -> Tensor:
        """|p - t| / max(t, 1 - t), NaN where there is no example."""
        absolute = sigmoid_norm(self.examples)
        target = self.examples.targets.to(absolute.dtype)
        norm = (absolute / torch.maximum(target, 1 - target)).clamp(max=1)
        return norm.where(self.examples.logits.isfinite(), float("nan")) if options.leave_out_nonfinite else norm
