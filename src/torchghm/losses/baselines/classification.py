"""Cross entropy, focal loss and OHEM, which GHM-C is compared with first, as modules behind the same call."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torchghm.functional.baselines import cross_entropy_formula, focal_formula, ohem_formula
from torchghm.functional.examples import Activation
from torchghm.functional.weighed import Formula
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class CrossEntropyLoss(UnharmonizedLoss):
    """Cross entropy: see `torchghm.functional.cross_entropy_loss`.

    Arguments:
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> CrossEntropyLoss(average="examples")(torch.zeros(2, 3), torch.tensor([1, -1]))
        tensor(0.6931)
    """

    def _formula(self) -> Formula:
        return cross_entropy_formula


class FocalLoss(UnharmonizedLoss):
    """Focal loss: see `torchghm.functional.focal_loss`.

    Arguments:
        alpha, gamma: as there.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> FocalLoss(alpha=None)(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.3466)
    """

    def __init__(self, alpha: float | None = 0.25, gamma: float = 2.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.alpha = alpha
        self.gamma = gamma
        self._formula()  # refuses values out of range now, not in the first step

    def _formula(self) -> Formula:
        return focal_formula(self.alpha, self.gamma)


class OHEMLoss(UnharmonizedLoss):
    """Online hard example mining, sigmoid: see `torchghm.functional.ohem_loss`.

    Every rank mines its own examples; the mean is over the positives of all.

    Arguments:
        negatives_per_positive, min_negatives: as there.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> OHEMLoss(negatives_per_positive=1)(torch.tensor([[0.0, -9.0, 2.0]]), torch.tensor([0]))
        tensor(2.8201)
    """

    activations: ClassVar[tuple[Activation, ...]] = ("sigmoid",)

    def __init__(self, negatives_per_positive: float = 3.0, min_negatives: int = 1, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.negatives_per_positive = negatives_per_positive
        self.min_negatives = min_negatives
        self._formula()  # refuses values out of range now, not in the first step

    def _formula(self) -> Formula:
        return ohem_formula(self.negatives_per_positive, self.min_negatives)
