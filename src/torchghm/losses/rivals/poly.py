"""Poly-1 of the focal loss (Leng et al., "PolyLoss", ICLR 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchghm.functional.rivals.poly import poly1_focal_formula
from torchghm.functional.weighed import Formula
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Poly1FocalLoss(UnharmonizedLoss):
    """Focal loss with another first coefficient: see `torchghm.functional.rivals.poly1_focal_formula`.

    Arguments:
        epsilon, alpha, gamma: as there; epsilon is the paper's for detection.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> Poly1FocalLoss()(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.0483)
    """

    def __init__(
        self,
        epsilon: float = -1.0,
        alpha: float | None = 0.25,
        gamma: float = 2.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.epsilon = epsilon
        self.alpha = alpha
        self.gamma = gamma
        self._formula()  # refuses values out of range now, not in the first step

    def _formula(self) -> Formula:
        return poly1_focal_formula(self.epsilon, self.alpha, self.gamma)
