"""Dynamic fine-tuning (Wu et al., 2025, arXiv 2508.05629)."""

from __future__ import annotations

from typing import ClassVar

from torchghm.functional.examples import Activation
from torchghm.functional.rivals.dynamic_fine_tuning import dynamic_fine_tuning_formula
from torchghm.functional.weighed import Formula
from torchghm.losses.baselines.unharmonized import UnharmonizedLoss


class DynamicFineTuningLoss(UnharmonizedLoss):
    """Cross entropy weighed by the label's probability, softmax: see `dynamic_fine_tuning_formula`.

    Arguments:
        options: those of `torchghm.losses.baselines.unharmonized.Options`.

    Examples:
        >>> import torch
        >>> DynamicFineTuningLoss()(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.3466)
    """

    activations: ClassVar[tuple[Activation, ...]] = ("softmax",)

    def _formula(self) -> Formula:
        return dynamic_fine_tuning_formula
