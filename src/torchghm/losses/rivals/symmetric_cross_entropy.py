"""Symmetric cross entropy (Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchghm.functional.rivals.symmetric_cross_entropy import symmetric_cross_entropy_formula
from torchghm.functional.weighed import Formula
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SymmetricCrossEntropyLoss(UnharmonizedLoss):
    """Symmetric cross entropy: see `torchghm.functional.rivals.symmetric_cross_entropy_formula`.

    Arguments:
        alpha, beta, log_of_zero: as there.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> SymmetricCrossEntropyLoss()(torch.zeros(1, 2), torch.tensor([0]))
        tensor(4.1386)
    """

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_of_zero: float = -4.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.alpha = alpha
        self.beta = beta
        self.log_of_zero = log_of_zero
        self._formula()  # refuses values out of range now, not in the first step

    def _formula(self) -> Formula:
        return symmetric_cross_entropy_formula(self.alpha, self.beta, self.log_of_zero)
