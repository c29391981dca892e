"""From one loss to another in the course of training: into GHM-C by way of focal loss, say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torchghm.functional.arguments import check_integer
from torchghm.losses.unscriptable import Unscriptable

_SAME = ("activation", "ignore_index", "class_dim", "reduction")
"""How the inputs are read and what is returned: not to change half-way."""


class HandoverLoss(Unscriptable):
    """One loss hands over to another, L = (1 - s) L_first + s L_last, with s rising from 0 to 1.

    A network that knows nothing yet has all positives in one region of gradient norm and all negatives in another.
    There the harmonizing weights first lift every score towards 0.5; focal loss or cross entropy lead past that start.
    ``last`` sees every batch from the first one on, so that its density is known when it takes over.

    Arguments:
        first: any loss with the call of `GHMCLoss`, of the same activation, `ignore_index`, `class_dim`, `reduction`.
        last: the loss that remains.
        start: training calls after which s begins to rise, at least 0.
        end: training calls after which ``last`` is alone, at least ``start``.

    Raises:
        ValueError: steps out of order, or losses that read their inputs in unlike ways.

    Source: ours; the author of the paper advises a warm-up of 2,000 iterations on small data.

    Examples:
        >>> from torchghm import FocalLoss, GHMCLoss
        >>> loss = HandoverLoss(FocalLoss(), GHMCLoss(momentum=0.99), start=500, end=1000)
        >>> logits = torch.randn(1000, 80, requires_grad=True)
        >>> loss(logits, torch.full((1000,), -1)).backward()
        >>> float(loss.share)
        0.0
    """

    calls: Tensor

    def __init__(self, first: nn.Module, last: nn.Module, *, start: int, end: int) -> None:
        super().__init__()
        check_integer("start", start, 0)
        check_integer("end", end, start, expected=f"an integer of at least `start`, {start}")
        for option in _SAME:
            values = [getattr(loss, option, None) for loss in (first, last)]
            if None not in values and values[0] != values[1]:
                raise ValueError(
                    f"Expected arguments `first` and `last` to be losses of the same {option}, "
                    f"but got {values[0]!r} and {values[1]!r}."
                )
        self.first = first
        self.last = last
        self.start = start
        self.end = end
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    @property
    def share(self) -> Tensor:
        """s, the part that ``last`` has in the next call: a scalar in [0, 1]."""
        return ((self.calls - self.start + 1) / (self.end - self.start + 1)).clamp(0, 1)

    @property
    def diagnostics(self) -> Any:
        """Diagnostics of the last call of ``last``; None before the first."""
        return self.last.diagnostics

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch; in training mode the call counts.

        Arguments and returns: as of ``last``.
        """
        share = self.share
        if torch.compiler.is_compiling():
            # A compiled backward computes cheap values again, after `calls` has moved on. The result of a running sum
            # is saved for it instead.
            share = share[None].cumsum(0)[0]
        if self.training:
            self.calls += 1
        result: Tensor = self.last(inputs, targets, weight)
        # Only where looking at s costs nothing: a GPU would have to be waited for.
        if share.device.type == "cpu" and not torch.compiler.is_compiling() and share == 1:
            return result
        share = share.to(result.dtype)
        before: Tensor = self.first(inputs, targets, weight)
        return share * result + (1 - share) * before

    def __getattr__(self, name: str) -> Any:
        """Return an option of ``last``, so that this loss can stand wherever ``last`` could."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name in ("first", "last"):
                raise
            return getattr(super().__getattr__("last"), name)

    def extra_repr(self) -> str:
        """Return the options that ``print`` shows."""
        return f"start={self.start}, end={self.end}"
