"""Equalization loss v2 (Tan et al., CVPR 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from torchghm.functional.arguments import check_number
from torchghm.functional.examples import Activation, Examples
from torchghm.functional.rivals.equalization import class_gradients, equalization_formula, equalization_weights
from torchghm.functional.weighed import ExampleLoss, Formula, WeighedLoss
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss
from torchghm.losses.rivals.class_sums import ClassSums

if TYPE_CHECKING:
    from typing_extensions import Unpack


class EqualizationLossV2(UnharmonizedLoss):
    """Equalization loss v2, sigmoid: see `torchghm.functional.rivals.equalization_weights`.

    A batch is weighed by the gradients of the batches before it. These are summed in training alone, as they are
    after weighing, over all ranks, and are saved with the module.

    Arguments:
        gamma, mu, alpha: as there; the defaults are the paper's.
        num_classes: K; None takes it from the first batch, which ``torch.compile(fullgraph=True)`` can't.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Raises:
        ValueError: an option out of its range; later, logits of another number of classes.

    Examples:
        >>> import torch
        >>> loss = EqualizationLossV2()
        >>> logits, targets = torch.zeros(1, 2), torch.tensor([0])
        >>> loss(logits, targets), loss(logits, targets)  # then class 1 has had no positive
        (tensor(1.3863), tensor(0.6932))
    """

    activations: ClassVar[tuple[Activation, ...]] = ("sigmoid",)

    def __init__(
        self,
        gamma: float = 12.0,
        mu: float = 0.8,
        alpha: float = 4.0,
        num_classes: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        check_number("gamma", gamma, "a number above 0", ok=lambda value: value > 0)
        check_number("mu", mu, "a number", ok=lambda value: True)
        check_number("alpha", alpha, "a number of at least 0", ok=lambda value: value >= 0)
        self.gamma = gamma
        self.mu = mu
        self.alpha = alpha
        self.gradients = ClassSums(2, num_classes, self.sync)

    def _formula(self) -> Formula:
        def formula(examples: Examples, cross_entropy: Tensor, amount: Tensor) -> ExampleLoss:
            gradients = self.gradients.of(examples.logits.shape[1])
            weights = equalization_weights(gradients, self.gamma, self.mu, self.alpha)
            return equalization_formula(weights)(examples, cross_entropy, amount)

        return formula

    def _take_in(self, weighed: WeighedLoss, gradient: Tensor | None) -> None:
        if gradient is not None:
            self.gradients.add(class_gradients(weighed.examples, gradient))
