"""Asymmetric loss (Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torchghm.functional.examples import Activation
from torchghm.functional.rivals.asymmetric import asymmetric_formula
from torchghm.functional.weighed import Formula
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsymmetricLoss(UnharmonizedLoss):
    """Asymmetric loss, sigmoid: see `torchghm.functional.rivals.asymmetric_formula`.

    Arguments:
        gamma_negative, gamma_positive, margin: as there; the defaults are the paper's.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> AsymmetricLoss()(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.7177)
    """

    activations: ClassVar[tuple[Activation, ...]] = ("sigmoid",)

    def __init__(
        self,
        gamma_negative: float = 4.0,
        gamma_positive: float = 0.0,
        margin: float = 0.05,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(**options)
        self.gamma_negative = gamma_negative
        self.gamma_positive = gamma_positive
        self.margin = margin
        self._formula()  # refuses values out of range now, not in the first step

    def _formula(self) -> Formula:
        return asymmetric_formula(self.gamma_negative, self.gamma_positive, self.margin)
