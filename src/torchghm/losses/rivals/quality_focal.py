"""Quality focal loss (Li et al., "Generalized Focal Loss", NeurIPS 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torchghm.functional.examples import Activation
from torchghm.functional.rivals.quality_focal import quality_focal_formula
from torchghm.functional.weighed import Formula
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss

if TYPE_CHECKING:
    from typing_extensions import Unpack


class QualityFocalLoss(UnharmonizedLoss):
    """Quality focal loss, sigmoid: see `torchghm.functional.rivals.quality_focal_formula`.

    Its targets are floats, a detection's quality at its class; integer targets stand for a quality of 1.

    Arguments:
        beta: as there; the default is the paper's.
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> QualityFocalLoss()(torch.zeros(1, 2), torch.tensor([[0.9, 0.0]]))
        tensor(0.2842)
    """

    activations: ClassVar[tuple[Activation, ...]] = ("sigmoid",)

    def __init__(self, beta: float = 2.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.beta = beta
        self._formula()  # refuses values out of range now, not in the first step

    def _formula(self) -> Formula:
        return quality_focal_formula(self.beta)
