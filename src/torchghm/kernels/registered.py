"""The kernels as registered ops of torch, ``torch.ops.torchghm``: fake, autograd, one implementation a device.

Called in the ordinary way the ops stand aside: the dispatcher and its Python layers take longer than the kernels do on
a few hundred boxes, so plain tensors go straight to the kernel and to the same autograd formula. Under torch.compile,
tracing and dispatch modes the registered ops are called, because those need to see them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from torchghm.functional.examples import Activation, compute_dtype
from torchghm.kernels.autograd import attach, backward_of_loss, no_gradient, setup_histogram, setup_loss

_EXAMPLES = "Tensor logits, Tensor targets, Tensor? weight, "
_OPTIONS = "str activation, int ignore_index, bool leave_out_nonfinite"
_library: Any = cast(Any, torch.library.Library)("torchghm", "DEF")
_library.define(f"classification_histogram({_EXAMPLES}int regions, {_OPTIONS}) -> Tensor")
_library.define(
    f"classification_loss_and_gradient({_EXAMPLES}Tensor table, {_OPTIONS}) "
    "-> (Tensor loss, Tensor sums, Tensor gradient)"
)
_library.define(
    "regression_histogram(Tensor residual, Tensor? weight, int regions, float mu, bool leave_out_nonfinite) -> Tensor"
)
_library.define(
    "regression_loss_and_gradient(Tensor residual, Tensor? weight, Tensor table, float mu, bool leave_out_nonfinite) "
    "-> (Tensor loss, Tensor sums, Tensor gradient)"
)


def classification_histogram(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    regions: int,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> Tensor:
    """Pass 1 of GHM-C by the kernel of the logits' device."""
    inputs = (logits, targets, weight, regions, activation, ignore_index, leave_out_nonfinite)
    if sees_plain_tensors(logits):
        return cast(Tensor, _kernels(logits).classification_histogram(*inputs))
    return cast(Tensor, torch.ops.torchghm.classification_histogram(*inputs))


def classification_loss(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    table: Tensor,
    activation: Activation,
    ignore_index: int,
    leave_out_nonfinite: bool,
) -> tuple[Tensor, Tensor]:
    """Pass 2 of GHM-C by the kernel of the logits' device: the loss, and the sums [3]."""
    inputs = (logits, targets, weight, table.detach(), activation, ignore_index, leave_out_nonfinite)
    if sees_plain_tensors(logits):
        loss, sums, gradient = _kernels(logits).classification_loss_and_gradient(*inputs)
        return attach(inputs, loss, gradient), sums
    loss, sums, _ = torch.ops.torchghm.classification_loss_and_gradient(*inputs)
    return loss, sums


def regression_histogram(
    residual: Tensor, weight: Tensor | None, regions: int, mu: float, leave_out_nonfinite: bool
) -> Tensor:
    """Pass 1 of GHM-R by the kernel of the residual's device."""
    inputs = (residual, weight, regions, mu, leave_out_nonfinite)
    if sees_plain_tensors(residual):
        return cast(Tensor, _kernels(residual).regression_histogram(*inputs))
    return cast(Tensor, torch.ops.torchghm.regression_histogram(*inputs))


def regression_loss(
    residual: Tensor, weight: Tensor | None, table: Tensor, mu: float, leave_out_nonfinite: bool
) -> tuple[Tensor, Tensor]:
    """Pass 2 of GHM-R by the kernel of the residual's device: the loss, and the sums [3]."""
    inputs = (residual, weight, table.detach(), mu, leave_out_nonfinite)
    if sees_plain_tensors(residual):
        loss, sums, gradient = _kernels(residual).regression_loss_and_gradient(*inputs)
        return attach(inputs, loss, gradient), sums
    loss, sums, _ = torch.ops.torchghm.regression_loss_and_gradient(*inputs)
    return loss, sums


def sees_plain_tensors(tensor: Tensor) -> bool:
    """Whether a tensor is a plain one and nothing is traced, so that no one needs to see the registered op."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not cast(Any, torch.jit).is_tracing()
        and _get_current_dispatch_mode() is None
    )


def _kernels(tensor: Tensor) -> Any:
    """The module with the kernels for a tensor's device, imported when it is first needed."""
    if tensor.device.type == "cpu":
        from torchghm.kernels.cpu import passes as cpu_passes

        return cpu_passes
    from torchghm.kernels.triton import passes as triton_passes

    return triton_passes


def _implementation(name: str) -> Callable[..., Any]:
    def call(*inputs: Any) -> Any:
        return getattr(_kernels(inputs[0]), name)(*inputs)

    return call


def _fake_histogram(logits: Tensor, *rest: Any) -> Tensor:
    regions = next(value for value in rest if not isinstance(value, Tensor) and value is not None)
    return logits.new_empty(regions + 2, dtype=torch.float64)


def _fake_loss_and_gradient(logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    loss = logits.new_empty((), dtype=compute_dtype(logits))
    return loss, logits.new_empty(3, dtype=torch.float64), logits.new_empty(logits.shape)


for _stem in ("classification", "regression"):
    for _device in ("CPU", "CUDA"):
        for _name in (f"{_stem}_histogram", f"{_stem}_loss_and_gradient"):
            _library.impl(_name, _implementation(_name), _device)
    torch.library.register_fake(f"torchghm::{_stem}_histogram", _fake_histogram, lib=_library)
    torch.library.register_fake(f"torchghm::{_stem}_loss_and_gradient", _fake_loss_and_gradient, lib=_library)
    torch.library.register_autograd(
        f"torchghm::{_stem}_histogram", no_gradient, setup_context=setup_histogram, lib=_library
    )
    torch.library.register_autograd(
        f"torchghm::{_stem}_loss_and_gradient", backward_of_loss, setup_context=setup_loss, lib=_library
    )
