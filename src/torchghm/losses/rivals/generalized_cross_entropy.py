"""Generalized cross entropy (Zhang and Sabuncu, NeurIPS 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchghm.functional.rivals.generalized_cross_entropy import generalized_cross_entropy_formula
from torchghm.functional.weighed import Formula
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class GeneralizedCrossEntropyLoss(UnharmonizedLoss):
    """Generalized cross entropy: see `torchghm.functional.rivals.generalized_cross_entropy_formula`.

    Arguments:
        q: as there; the default is the paper's.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> GeneralizedCrossEntropyLoss(activation="softmax")(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.5492)
    """

    def __init__(self, q: float = 0.7, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.q = q
        self._formula()  # refuses values out of range now, not in the first step

    def _formula(self) -> Formula:
        return generalized_cross_entropy_formula(self.q)
