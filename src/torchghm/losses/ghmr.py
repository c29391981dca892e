"""GHM-R as a module: the harmonized box regression loss with its average over iterations and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from torch import Tensor

from torchghm.functional.arguments import check_choice, check_number
from torchghm.functional.examples import Density, Nonfinite, Normalize, Reduction
from torchghm.functional.regression import arrange_residual
from torchghm.kernels.ops import Backend
from torchghm.losses.harmonized import HarmonizedLoss
from torchghm.losses.state.residual_scale import ResidualScale
from torchghm.losses.step import HarmonizingOptions, Memory, ResidualBatch

PUBLISHED: dict[str, Any] = {"mu": 0.02, "bins": 10, "momentum": 0.7, "max_weight": None}
"""The settings of the authors' code."""


class GHMRLoss(HarmonizedLoss):
    """Gradient harmonized regression loss, L = (1/N) sum_i beta_i ASL1(d_i), beta_i = min(N / GD(g_i), max_weight).

    ASL1(d) = sqrt(d^2 + mu^2) - mu has the gradient norm g = |d| / sqrt(d^2 + mu^2) in [0, 1), which tells an outlier
    from a merely hard example where smooth L1's is 1 for both. By default mu follows the residuals, and crowds are
    quieted without making anybody louder; `published` has the settings of the authors' code, for networks close to
    convergence.

    Arguments:
        mu: the residual at which g is 0.71, above 0, in the units of the coordinates; residuals of ten times mu and
            more all lie in the last region. ``"auto"`` takes the median of |d|, averaged over iterations with
            ``momentum`` and summed over ranks as the density is: half of the coordinates lie below g = 0.71 then,
            whatever their scale. 0.02 is published.
        bins: M, the number of unit regions of g, at least 1; with 1 the loss is the mean ASL1.
        momentum: of the average of the density over iterations, in [0, 1).
        normalize: ``"occupied"`` (the sum of beta, before a cap, is N, as in the authors' code) or ``"regions"`` (the
            paper's N / GD).
        density, max_weight, sync, nonfinite, reduction, backend: as in `GHMCLoss`.

    Source: Li, Liu, Wang, "Gradient Harmonized Single-stage Detector", AAAI 2019, equations 11 to 13.

    Examples:
        >>> import torch
        >>> loss = GHMRLoss(mu=0.02)
        >>> predicted = torch.zeros(200, 4, requires_grad=True)  # encoded boxes of 200 positive anchors
        >>> loss(predicted, torch.full((200, 4), 0.02))  # ASL1(mu) = (sqrt(2) - 1) mu
        tensor(0.0083, grad_fn=<...>)
    """

    def __init__(
        self,
        mu: float | Literal["auto"] = "auto",
        bins: int = 10,
        momentum: float = 0.99,
        *,
        density: Density = "regions",
        normalize: Normalize = "occupied",
        max_weight: float | None = 1.0,
        sync: bool = True,
        nonfinite: Nonfinite = "propagate",
        reduction: Reduction = "mean",
        backend: Backend = "auto",
    ) -> None:
        options = HarmonizingOptions(bins, normalize, max_weight, nonfinite, reduction, backend)
        super().__init__(options, density, momentum, sync)
        check_choice("normalize", normalize, ("occupied", "regions"))  # every coordinate is a positive's
        if isinstance(mu, str):
            check_choice("mu", mu, ("auto",))
        else:
            check_number("mu", mu, "'auto' or a number above 0", ok=lambda value: value > 0)
        self.residual_scale = ResidualScale(momentum, sync) if isinstance(mu, str) else None
        self._mu = 1.0 if isinstance(mu, str) else mu  # of the residuals that the kernels see

    @classmethod
    def published(cls, **options: Any) -> GHMRLoss:
        """Return GHM-R with the settings of the authors' code: mu = 0.02, weights without a cap.

        L = (1/N) sum_i beta_i ASL1(d_i), beta_i = N / (m R_ind(g_i)), where m regions of the batch hold a coordinate.
        The paper's formula has all M regions in the place of m: ``published(normalize="regions")``.

        Arguments:
            options: of the class, also another ``mu``, ``bins`` and ``momentum``.

        Examples:
            >>> GHMRLoss.published().mu
            0.02
        """
        return cls(**{**PUBLISHED, **options})

    @property
    def mu(self) -> float | Tensor:
        """The residual at which g is 0.71: the number given, or with ``mu="auto"`` the scalar that it is by now."""
        return self._mu if self.residual_scale is None else self.residual_scale.median

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch, and update the average over iterations in training mode.

        Arguments:
            inputs: encoded box coordinates of positive anchors, any shape and floating dtype.
            targets: shaped like ``inputs``.
            weight: None or non-negative numbers shaped like ``inputs`` or like it less the last axis, which may be
                there with length 1; they count in the density too.

        Returns:
            A scalar of at least float32, or with ``reduction="none"`` the shape of ``inputs``; 0 with a graph where no
            coordinate is valid.

        Raises:
            ValueError: unlike shapes, non-finite residuals with ``nonfinite="raise"``.
        """
        return super().forward(inputs, targets, weight)

    def _arrange(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> ResidualBatch:
        residual, coordinate_weight = arrange_residual(inputs, targets, weight)
        return ResidualBatch(residual, coordinate_weight, self._mu)

    def _memory(self) -> Memory:
        return Memory(self.density_state, self.residual_scale)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        if self.residual_scale is not None and prefix + "edges" in state_dict:  # of mmdetection's GHMR
            cast(list[str], args[-1]).append(
                f"The state {prefix}acc_sum was counted with a fixed mu, but this loss has mu='auto': build it with "
                f"that mu (0.02 in GHMRLoss.published()), or drop {prefix}acc_sum and {prefix}edges to begin anew."
            )
            return
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        """Return the options that ``print`` shows."""
        mu = self._mu if self.residual_scale is None else "'auto'"
        return f"mu={mu}, {super().extra_repr()}"
