"""The two passes, whichever backend runs them: the only place where backends meet.

Pass 1 reads the logits and fills a histogram of gradient norms. Every variant of the density is then computed on
that small table in plain torch. Pass 2 reads the logits once more and writes the loss and its gradient, each example
weighed by the table's entry for its region. A backend knows the table, never the variant; but on a CPU there is a
kernel for the step between the passes, too (`torchghm.kernels.cpu.density_step`).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from torchghm.functional.arguments import check_choice, check_number
from torchghm.functional.examples import Activation, Examples
from torchghm.kernels import eager, registered
from torchghm.kernels.checks import check_table

Backend = Literal["auto", "eager", "cpu", "triton"]
BACKENDS: tuple[str, ...] = get_args(Backend)
Resolved = Literal["eager", "cpu", "triton"]

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_NEEDS = {"cpu": ("cpu", "numba", "torchghm[cpu]"), "triton": ("cuda", "triton", "triton")}
"""Device, module and what to install, of every backend with kernels: the one that ``"auto"`` takes on its device."""
_INSTALLED = {module: find_spec(module) is not None for _, module, _ in _NEEDS.values()}
_FASTEST = {device: cast(Resolved, name) for name, (device, _, _) in _NEEDS.items()}
"""By device."""


class LossAndSums(NamedTuple):
    """Result of pass 2."""

    loss: Tensor
    """sum of table[region] * w * L: a scalar with a gradient."""
    sums: Tensor
    """[3], without a gradient: sum w L (the plain loss), sum of |gradient|, its part that belongs to positives."""


def resolve_backend(backend: Backend, inputs: Tensor) -> Resolved:
    """Which backend runs for these logits or residuals.

    Arguments:
        backend: ``"auto"`` for the fastest that can run: ``"cpu"`` (Numba) for CPU tensors, ``"triton"`` for CUDA
            tensors, ``"eager"`` (plain torch) for everything else. Any other name is taken at its word.
        inputs: the logits or residuals; their device and dtype decide.

    Raises:
        ValueError: an unknown backend, or one that can't run on the device of ``inputs``, or under torch.func or
            forward-mode derivatives.
        TypeError: a dtype that the backend asked for has no kernel for.
        ImportError: the backend asked for is not installed; the message says what to install.

    Examples:
        >>> resolve_backend("eager", torch.zeros(2, 3))
        'eager'
    """
    device = "cpu" if inputs.is_cpu else inputs.device.type  # its name takes as long as a kernel
    # The ops have no rule for torch.func and forward-mode derivatives, plain torch has.
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    if backend == "auto":
        fastest = _FASTEST.get(device, "eager")
        runs = fastest in _NEEDS and _INSTALLED[_NEEDS[fastest][1]] and inputs.dtype in _DTYPES and not transformed
        return fastest if runs else "eager"
    if backend == "eager":
        return "eager"
    check_choice("backend", backend, BACKENDS)
    runs_on, module, package = _NEEDS[backend]
    if not _INSTALLED[module]:
        raise ImportError(
            f"Expected argument `backend` to be one that can run, but got {backend!r} and {module} is not installed: "
            f"pip install '{package}', or use backend='auto'."
        )
    if device != runs_on:
        raise ValueError(
            f"Expected argument `backend` to be one that runs on the device of `inputs`, {device!r}, but got "
            f"{backend!r}, which runs on {runs_on!r}; backend='auto' chooses by the device."
        )
    if inputs.dtype not in _DTYPES:
        raise TypeError(
            f"Expected argument `inputs` to be float16, bfloat16, float32 or float64, but got {inputs.dtype}."
        )
    if transformed:
        raise ValueError(
            "Expected argument `backend` to be 'auto' or 'eager' under torch.func and forward-mode derivatives, "
            f"but got {backend!r}."
        )
    return cast(Resolved, backend)


def runs_untraced_on_cpu(inputs: Tensor, backend: Backend) -> bool:
    """Whether the CPU kernels run, and nothing has to see the ops that they are registered as."""
    return resolve_backend(backend, inputs) == "cpu" and registered.sees_plain_tensors(inputs)


def classification_histogram(
    examples: Examples,
    regions: int,
    *,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> Tensor:
    """Pass 1 of GHM-C: the weighted histogram of g over ``regions`` equal regions of [0, 1].

    Returns:
        [regions + 2] float64: the histogram; the number of valid examples whose logits are not finite (NaN is in no
        region; infinities are in one unless ``leave_out_nonfinite``); the number of targets that are out of range
        (they are in no region, never an index).
    """
    check_number("regions", regions, "at least 1", ok=lambda value: value >= 1)
    if resolve_backend(backend, examples.logits) == "eager":
        return eager.classification_histogram(
            examples,
            regions,
            activation=activation,
            ignore_index=ignore_index,
            leave_out_nonfinite=leave_out_nonfinite,
        )
    return registered.classification_histogram(
        examples.logits, examples.targets, examples.weight, regions, activation, ignore_index, leave_out_nonfinite
    )


def classification_loss(
    examples: Examples,
    table: Tensor,
    *,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> LossAndSums:
    """Pass 2 of GHM-C: loss = sum of table[region(g_i)] w_i L_CE(i), and its gradient in the same pass.

    Arguments:
        table: [regions], what each region's examples are multiplied by: beta, and 1/N for a mean.
    """
    check_table(table, examples.logits)
    if resolve_backend(backend, examples.logits) == "eager":
        weighed, sums = eager.classification_loss(
            examples, table, activation=activation, ignore_index=ignore_index, leave_out_nonfinite=leave_out_nonfinite
        )
        return LossAndSums(weighed.sum(), sums)
    loss, sums = registered.classification_loss(
        examples.logits, examples.targets, examples.weight, table, activation, ignore_index, leave_out_nonfinite
    )
    return LossAndSums(loss, sums)


def regression_histogram(
    residual: Tensor,
    weight: Tensor | None,
    regions: int,
    *,
    mu: float,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> Tensor:
    """Pass 1 of GHM-R: the weighted histogram of ASL1's gradient norm; returns as `classification_histogram`.

    Arguments:
        residual: d, any shape, at least float32.
        weight: None or shaped like ``residual``.
    """
    check_number("regions", regions, "at least 1", ok=lambda value: value >= 1)
    if resolve_backend(backend, residual) == "eager":
        return eager.regression_histogram(residual, weight, regions, mu=mu, leave_out_nonfinite=leave_out_nonfinite)
    return registered.regression_histogram(residual, weight, regions, mu, leave_out_nonfinite)


def regression_loss(
    residual: Tensor,
    weight: Tensor | None,
    table: Tensor,
    *,
    mu: float,
    leave_out_nonfinite: bool,
    backend: Backend = "auto",
) -> LossAndSums:
    """Pass 2 of GHM-R: loss = sum of table[region(g_i)] w_i ASL1(d_i), and its gradient in the same pass."""
    check_table(table, residual)
    if resolve_backend(backend, residual) == "eager":
        weighed, sums = eager.regression_loss(residual, weight, table, mu=mu, leave_out_nonfinite=leave_out_nonfinite)
        return LossAndSums(weighed.sum(), sums)
    loss, sums = registered.regression_loss(residual, weight, table, mu, leave_out_nonfinite)
    return LossAndSums(loss, sums)
