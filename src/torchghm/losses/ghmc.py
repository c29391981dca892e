"""GHM-C as a module: the harmonized classification loss with its average over iterations and ranks."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from torchghm.functional.arguments import check_choice, check_integer
from torchghm.functional.classification import check_reference
from torchghm.functional.example_errors import check_weight
from torchghm.functional.examples import Activation, Average, Density, Nonfinite, Normalize, Reduction, arrange_examples
from torchghm.kernels.ops import Backend
from torchghm.losses.harmonized import HarmonizedLoss
from torchghm.losses.step import HarmonizingOptions, LogitBatch

PUBLISHED: dict[str, Any] = {
    "bins": 30,
    "momentum": 0.75,
    "normalize": "occupied",
    "max_weight": None,
    "average": "examples",
}
"""The settings of the authors' code."""


class GHMCLoss(HarmonizedLoss):
    """Gradient harmonized classification loss, L = (1/n) sum_i beta_i L_CE(i), beta_i = min(1, c n_pos / R_ind(g_i)).

    Every example is weighed by the inverse of how many examples share its region of the gradient norm g = |p - p*|. By
    default R_j is measured against the number of positives n_pos: no region counts for more than c = 10 examples a
    positive, however many negatives there are, and no example is raised. n is the number of positives, too, as
    detectors divide their losses. `published` has the settings of the authors' code, beta_i = N / (m R_ind(g_i)) with m
    occupied regions and n = N, which small data suffer from (docs/when-it-helps.md).

    Arguments:
        bins: M, the number of unit regions of g, at least 1; with 1 all weigh the same: cross entropy, times
            min(1, c n_pos / N) by default.
        momentum: of the average of the density over iterations, in [0, 1).
        activation: ``"sigmoid"`` (every logit is an example) or ``"softmax"`` (every row is one, g = 1 - p_y).
        density: ``"regions"`` (the paper's fast form) or ``"exact"`` (its definition, a window around each g).
        normalize: what the examples in a region are measured against. ``"positives"`` (the default with sigmoid):
            beta = c M n_pos / GD with c = 10, so that with the cap of 1 no region counts for more than ten examples a
            positive, however many negatives there are. ``"occupied"`` (the default with softmax): the sum of beta,
            before a cap, is N, as in the authors' code. ``"regions"``: the paper's N / GD.
        max_weight: cap of beta, above 0; None for none (the paper's): a region that holds one example then weighs as
            much as one that holds all but one.
        average: n of the mean: ``"positives"`` (sigmoid: sum of w p*, at least 1) or ``"examples"`` (the paper's N);
            with softmax both are N.
        sync: sum the histogram over the ranks of ``torch.distributed`` while training.
        nonfinite: NaN and infinite logits ``"propagate"`` into the loss, are left out (``"ignore"``), or ``"raise"``
            (which waits for the device).
        ignore_index: the integer target of rows that are left out.
        class_dim: the axis of ``inputs`` that holds the K classes; 1 for [N, K, H, W].
        reduction: ``"mean"`` = sum(w beta L) / n, ``"sum"`` = n times that, ``"none"`` = w beta L unreduced.
        validate: check the values of ``targets`` and ``weight``; None checks on a CPU, which takes a look at the
            weights if there are any, and never waits for a GPU.
        backend: which kernels run; ``"auto"`` takes the fastest that can.

    Source: Li, Liu, Wang, "Gradient Harmonized Single-stage Detector", AAAI 2019, equation 9; the softmax form is ours.

    Examples:
        >>> import torch
        >>> loss = GHMCLoss(bins=30, momentum=0.75)
        >>> logits = torch.randn(1000, 80, requires_grad=True)  # 1000 anchors, 80 classes
        >>> targets = torch.full((1000,), -1)  # background
        >>> targets[:10] = 3  # ten anchors on an object of class 3
        >>> loss(logits, targets).backward()
        >>> loss.diagnostics.occupied_regions
        tensor(30)
    """

    def __init__(
        self,
        bins: int = 30,
        momentum: float = 0.75,
        *,
        activation: Activation = "sigmoid",
        density: Density = "regions",
        normalize: Normalize | None = None,
        max_weight: float | None = 1.0,
        average: Average = "positives",
        sync: bool = True,
        nonfinite: Nonfinite = "propagate",
        ignore_index: int = -100,
        class_dim: int = -1,
        reduction: Reduction = "mean",
        validate: bool | None = None,
        backend: Backend = "auto",
    ) -> None:
        check_choice("activation", activation, ("sigmoid", "softmax"))
        if normalize is None:
            normalize = "positives" if activation == "sigmoid" else "occupied"
        check_reference(normalize, activation)
        options = HarmonizingOptions(bins, normalize, max_weight, nonfinite, reduction, backend, average, validate)
        super().__init__(options, density, momentum, sync)
        check_integer("class_dim", class_dim)
        check_integer("ignore_index", ignore_index)
        self.activation: Activation = activation
        self.ignore_index = ignore_index
        self.class_dim = class_dim

    @classmethod
    def published(cls, **options: Any) -> GHMCLoss:
        """Return GHM-C with the settings of the authors' code: weights without a cap, a mean over all examples.

        L = (1/N) sum_i beta_i L_CE(i), beta_i = N / (m R_ind(g_i)), where m regions of the batch hold an example; the
        sum of beta over a batch is N (without momentum). The paper's formula has all M regions in the place of m:
        ``published(normalize="regions")``.

        Arguments:
            options: of the class, also other ``bins`` and ``momentum``.

        Examples:
            >>> GHMCLoss.published().max_weight is None
            True
        """
        return cls(**{**PUBLISHED, **options})

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch, and update the average over iterations in training mode.

        Arguments:
            inputs: logits [..., K], or with ``class_dim=1`` [N, K, ...]; any floating dtype.
            targets: integers shaped like ``inputs`` less the class axis (a class index, -1 for background,
                ``ignore_index``), or floats in [0, 1] shaped like ``inputs``; the gradient stops at them.
            weight: None or non-negative numbers shaped like ``inputs`` (sigmoid) or like it less the class axis, which
                may be there with length 1; they count in the density too: weight 2 is the example twice.

        Returns:
            A scalar of at least float32, or with ``reduction="none"`` the shape of ``inputs`` (softmax: less the class
            axis); 0 with a graph where no example is valid.

        Raises:
            ValueError: unlike shapes, targets out of range, non-finite logits with ``nonfinite="raise"``.
            TypeError: inputs or targets of a dtype that can't be read.
        """
        return super().forward(inputs, targets, weight)

    def _arrange(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> LogitBatch:
        examples = arrange_examples(inputs, targets, weight, activation=self.activation, class_dim=self.class_dim)
        if weight is not None and self._options().checks_values(inputs):
            check_weight(examples.weight)
        return LogitBatch(examples, self.activation, self.ignore_index)

    def _as_inputs(self, loss: Tensor, inputs: Tensor) -> Tensor:
        shape = inputs.movedim(self.class_dim, -1).shape
        if self.activation == "softmax":
            return loss.reshape(shape[:-1])
        return loss.reshape(shape).movedim(-1, self.class_dim)

    @property
    def _has_positives(self) -> bool:
        return self.activation == "sigmoid"

    def extra_repr(self) -> str:
        """Return the options that ``print`` shows."""
        own = f"average={self.average!r}, activation={self.activation!r}, class_dim={self.class_dim}"
        return f"{super().extra_repr()}, {own}"
