"""The one path of GHM-C and GHM-R: arrange the examples, take a step, raise what it refused, keep what it saw."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_flag, check_harmonizing
from torchghm.functional.density import region_count
from torchghm.functional.examples import Density
from torchghm.kernels.ops import BACKENDS, runs_untraced_on_cpu
from torchghm.losses.diagnostics import Diagnostics
from torchghm.losses.state.density_state import DensityState
from torchghm.losses.step import Batch, HarmonizingOptions, Memory, Step, Unpackable
from torchghm.losses.two_pass import two_pass
from torchghm.losses.unscriptable import Unscriptable


class HarmonizedLoss(Unscriptable):
    """Base of `torchghm.GHMCLoss` and `torchghm.GHMRLoss`: their options, their memory, and the call.

    Arguments:
        options: how the loss harmonizes.
        density: ``"regions"`` or ``"exact"``.
        momentum: of the average of the density over iterations, in [0, 1).
        sync: sum over the ranks of ``torch.distributed`` while training.
    """

    def __init__(self, options: HarmonizingOptions, density: Density, momentum: float, sync: bool) -> None:
        super().__init__()
        check_harmonizing(
            options.bins, density, options.normalize, options.max_weight, options.nonfinite, options.reduction
        )
        check_choice("backend", options.backend, BACKENDS)
        check_choice("average", options.average, ("examples", "positives"))
        if options.validate is not None:
            check_flag("validate", options.validate)
        self.bins = options.bins
        self.density = density
        self.normalize = options.normalize
        self.max_weight = options.max_weight
        self.nonfinite = options.nonfinite
        self.reduction = options.reduction
        self.backend = options.backend
        self.average = options.average
        self.validate = options.validate
        positives = options.normalize == "positives"
        self.density_state = DensityState(region_count(options.bins, density), momentum, sync, positives=positives)
        self._last = _LastStep()

    def forward(self, inputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of one batch, and update the average over iterations in training mode."""
        batch = self._arrange(inputs, targets, weight)
        options = self._options()
        memory = self._memory()
        step = choose_step(batch, options, memory)
        if step is two_pass:
            self.density_state.check_device(batch.inputs)
        record = step(batch, options, memory)
        if record.refusal is not None:
            raise record.refusal
        self._last.keep(record.observed)
        loss = cast(Tensor, record.loss)
        return self._as_inputs(loss, inputs) if options.reduction == "none" else loss

    def _arrange(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> Batch:
        """Check shapes and dtypes, and bring the arguments into one layout."""
        raise NotImplementedError

    def _options(self) -> HarmonizingOptions:
        """Return the options of a step."""
        return HarmonizingOptions(
            self.bins,
            self.normalize,
            self.max_weight,
            self.nonfinite,
            self.reduction,
            self.backend,
            self.average,
            self.validate,
        )

    def _memory(self) -> Memory:
        """Return the loss's memory from step to step."""
        return Memory(self.density_state)

    def _as_inputs(self, loss: Tensor, inputs: Tensor) -> Tensor:
        """Return unreduced losses in the layout of the inputs."""
        return loss

    @property
    def diagnostics(self) -> Diagnostics | None:
        """Diagnostics of the last call; None before the first."""
        return self._last.diagnostics(self.bins, self._has_positives)

    @property
    def last_total(self) -> Tensor | None:
        """Divisor of the last call's mean (of all ranks): N, or the number of positives, of which 0 count as 1."""
        return None if self._last.observed is None else self._last.observed.unpack().total

    @property
    def momentum(self) -> float:
        """Momentum of the moving average over iterations, in [0, 1)."""
        return self.density_state.momentum

    @property
    def _has_positives(self) -> bool:
        """Whether positives are defined."""
        return False

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Load a state; also read the counts that mmdetection's GHMC and GHMR save (``acc_sum``, ``edges``)."""
        state = cast(dict[str, Any], state_dict)
        counts = state.pop(prefix + "acc_sum", None)
        if state.pop(prefix + "edges", None) is not None and counts is None:  # saved with momentum 0: no memory
            counts = torch.zeros(self.bins)
        if counts is not None:
            total = counts.sum()
            state[prefix + "density_state.fractions"] = counts.float() / total.where(total > 0, 1.0)
            state[prefix + "density_state.seen"] = (total > 0).float()
        super()._load_from_state_dict(state, prefix, *args)

    def extra_repr(self) -> str:
        """Return the options that ``print`` shows."""
        return (
            f"bins={self.bins}, density={self.density!r}, normalize={self.normalize!r}, "
            f"max_weight={self.max_weight}, nonfinite={self.nonfinite!r}, reduction={self.reduction!r}"
        )


class _LastStep:
    """The last step's observation. Not in the module itself: to set an attribute of that takes as long as a kernel."""

    def __init__(self) -> None:
        self.observed: Unpackable | None = None
        self._diagnostics: Diagnostics | None = None

    def keep(self, observed: Unpackable | None) -> None:
        """Forget the step before."""
        # Tensors of a torch.func transform outlive it as wrappers, which nothing can copy.
        self.observed = None if torch._C._are_functorch_transforms_active() else observed
        self._diagnostics = None

    def diagnostics(self, bins: int, has_positives: bool) -> Diagnostics | None:
        """Return the diagnostics of the last step, made when somebody looks."""
        if self._diagnostics is None and self.observed is not None:
            seen = self.observed.unpack()
            self._diagnostics = Diagnostics(seen.estimate, seen.beta, seen.sums, seen.histogram, bins, has_positives)
        return self._diagnostics


def choose_step(batch: Batch, options: HarmonizingOptions, memory: Memory) -> Step:
    """Return the fused step where it can run: on a CPU, with Numba, where nothing is traced; else the two passes."""
    if options.reduction != "none" and runs_untraced_on_cpu(batch.inputs, options.backend):
        fused = _fused_module()
        if fused.fits(batch, memory):
            return cast(Step, fused.fused)
    return two_pass


@functools.cache
def _fused_module() -> Any:
    """Return `torchghm.losses.fused`, imported when it is first needed: Numba may not be installed."""
    from torchghm.losses import fused

    return fused
