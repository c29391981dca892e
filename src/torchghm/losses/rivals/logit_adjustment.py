"""Logit-adjusted cross entropy (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.examples import Activation, Examples
from torchghm.functional.rivals.logit_adjustment import class_counts, class_priors, logit_adjustment_formula
from torchghm.functional.weighed import ExampleLoss, Formula, WeighedLoss
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss
from torchghm.losses.rivals.class_sums import ClassSums

if TYPE_CHECKING:
    from typing_extensions import Unpack


class LogitAdjustedLoss(UnharmonizedLoss):
    """Logit-adjusted cross entropy, softmax: see `torchghm.functional.rivals.logit_adjustment_formula`.

    Predict with the logits as they are.

    Arguments:
        priors: how frequent each class is, K numbers above 0, up to a factor: counts will do. None counts the labels of
            the batches before, in training alone, over all ranks, and one more of each class; the counts are saved with
            the module.
        tau: as there; the default is the paper's.
        num_classes: K; None takes it from the priors or the first batch, which ``torch.compile(fullgraph=True)`` can't.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Raises:
        ValueError: an option out of its range; later, logits of another number of classes.

    Examples:
        >>> loss = LogitAdjustedLoss(priors=[900, 100])
        >>> loss(torch.zeros(1, 2), torch.tensor([1]))
        tensor(2.3026)
    """

    activations: ClassVar[tuple[Activation, ...]] = ("softmax",)

    def __init__(
        self,
        priors: Sequence[float] | Tensor | None = None,
        tau: float = 1.0,
        num_classes: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        check_number("tau", tau, "a number of at least 0", ok=lambda value: value >= 0)
        self.tau = tau
        self.counted = priors is None
        given = None if priors is None else _checked(priors)
        if given is not None and num_classes not in (None, given.numel()):
            raise ValueError(
                f"Expected argument `num_classes` to be None or that of the priors, {given.numel()}, "
                f"but got {num_classes!r}."
            )
        self.counts = ClassSums(1, num_classes if given is None else given.numel(), self.sync)
        if given is not None:
            self.counts.sums.copy_(given)

    def _formula(self) -> Formula:
        def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
            counts = self.counts.of(examples.logits.shape[1])[0]
            priors = class_priors(counts) if self.counted else counts
            return logit_adjustment_formula(priors, self.tau)(examples, cross_entropy, amount)

        return formula

    def _take_in(self, weighed: WeighedLoss, gradient: Tensor | None) -> None:
        if self.counted:
            self.counts.add(class_counts(weighed.examples, weighed.amount)[None])


def _checked(priors: Sequence[float] | Tensor) -> Tensor:
    """Return the given priors as a tensor [K]."""
    try:
        values = torch.as_tensor(priors, dtype=torch.float32).detach()
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Expected argument `priors` to be None or a list of numbers above 0, but got {priors!r}."
        ) from error
    if values.dim() != 1 or values.numel() == 0 or not bool((values.isfinite() & (values > 0)).all()):
        raise ValueError(f"Expected argument `priors` to be None or a list of numbers above 0, but got {priors!r}.")
    return values
