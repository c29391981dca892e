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

from torchghm.functional.examples import Activation, Examples, compute_dtype
from torchghm.kernels import eager
from torchghm.kernels.scaling import scale_

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
    if stand_aside(logits):
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
    if stand_aside(logits):
        loss, sums, gradient = _kernels(logits).classification_loss_and_gradient(*inputs)
        return attach(inputs, loss, gradient), sums
    loss, sums, _ = torch.ops.torchghm.classification_loss_and_gradient(*inputs)
    return loss, sums


def regression_histogram(
    residual: Tensor, weight: Tensor | None, regions: int, mu: float, leave_out_nonfinite: bool
) -> Tensor:
    """Pass 1 of GHM-R by the kernel of the residual's device."""
    inputs = (residual, weight, regions, mu, leave_out_nonfinite)
    if stand_aside(residual):
        return cast(Tensor, _kernels(residual).regression_histogram(*inputs))
    return cast(Tensor, torch.ops.torchghm.regression_histogram(*inputs))


def regression_loss(
    residual: Tensor, weight: Tensor | None, table: Tensor, mu: float, leave_out_nonfinite: bool
) -> tuple[Tensor, Tensor]:
    """Pass 2 of GHM-R by the kernel of the residual's device: the loss, and the sums [3]."""
    inputs = (residual, weight, table.detach(), mu, leave_out_nonfinite)
    if stand_aside(residual):
        loss, sums, gradient = _kernels(residual).regression_loss_and_gradient(*inputs)
        return attach(inputs, loss, gradient), sums
    loss, sums, _ = torch.ops.torchghm.regression_loss_and_gradient(*inputs)
    return loss, sums


def stand_aside(tensor: Tensor) -> bool:
    """Whether nothing needs to see the registered op."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not cast(Any, torch.jit).is_tracing()
        and _get_current_dispatch_mode() is None
    )


def _kernels(tensor: Tensor) -> Any:
    """The module with the kernels for a tensor's device, imported when it is first needed."""
    if tensor.device.type == "cpu":
        from torchghm.kernels import cpu

        return cpu
    from torchghm.kernels import triton

    return triton


def attach(inputs: tuple[Any, ...], loss: Tensor, gradient: Tensor, part: slice | None = None) -> Tensor:
    """Give a loss its gradient, where anything asks for it.

    Arguments:
        inputs: those of the op.
        part: of what stands there as the table, if that is more than the table.
    """
    if inputs[0].requires_grad and torch.is_grad_enabled():
        return cast(Tensor, _HarmonizedLoss.apply(inputs[0], (inputs, loss, gradient, part)))
    return loss


# --- autograd: pass 2 has already computed the gradient; backward multiplies it by the loss's own ---


class _HarmonizedLoss(torch.autograd.Function):
    """A loss whose gradient is there already."""

    @staticmethod
    def forward(
        ctx: Any, differentiated: Tensor, computed: tuple[tuple[Any, ...], Tensor, Tensor, slice | None]
    ) -> Tensor:
        # In a tuple they are no inputs to autograd, which would return a view of the loss.
        inputs, loss, gradient, part = computed
        _remember(ctx, inputs, gradient, part)
        return loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None]:
        gradient = _unscaled_gradient(ctx)
        # Nothing else refers to it, so that it is scaled in place, and accumulated without a copy.
        return _other_gradient(ctx, grad_loss) if gradient is None else scale_(gradient, grad_loss), None


def _remember(ctx: Any, inputs: tuple[Any, ...], gradient: Tensor, part: slice | None) -> None:
    count = 4 if isinstance(inputs[3], Tensor) else 3  # logits, targets, weight, table; residual, weight, table
    ctx.save_for_backward(*inputs[:count])
    ctx.options, ctx.part = inputs[count:], part
    # Not for float16: its smallest numbers are lost before a loss scale could save them.
    ctx.gradient = None if gradient.dtype == torch.float16 else gradient


def _unscaled_gradient(ctx: Any) -> Tensor | None:
    """The stored gradient, which is handed over; None if it has been, or if it is to be differentiated again."""
    if torch.is_grad_enabled():
        return None
    gradient, ctx.gradient = ctx.gradient, None
    return cast(Tensor | None, gradient)


def _other_gradient(ctx: Any, grad_loss: Tensor) -> Tensor:
    """The gradient by another way: by plain torch if it is to be differentiated again, else by pass 2 once more."""
    *before, table = ctx.saved_tensors
    if ctx.part is not None:
        table = table[ctx.part]
    stem = "classification" if len(before) == 3 else "regression"
    if not torch.is_grad_enabled():
        pass_2 = getattr(torch.ops.torchghm, f"{stem}_loss_and_gradient")
        return cast(Tensor, pass_2(*before, table * grad_loss, *ctx.options)[2])
    if stem == "classification":
        activation, ignore_index, leave_out_nonfinite = ctx.options
        weighed, _ = eager.classification_loss(
            Examples(*before),
            table,
            activation=activation,
            ignore_index=ignore_index,
            leave_out_nonfinite=leave_out_nonfinite,
        )
    else:
        residual, weight = before
        mu, leave_out_nonfinite = ctx.options
        weighed, _ = eager.regression_loss(residual, weight, table, mu=mu, leave_out_nonfinite=leave_out_nonfinite)
    return cast(Tensor, torch.autograd.grad(weighed.sum(), before[:1], create_graph=True)[0] * grad_loss)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(*output[1:])
    _remember(ctx, inputs, output[2], None)


def _backward(ctx: Any, grad_loss: Tensor, *others: Any) -> tuple[Tensor | None, ...]:
    gradient = _unscaled_gradient(ctx)
    # The op's caller may hold on to its gradient: no scaling in place.
    scaled = _other_gradient(ctx, grad_loss) if gradient is None else gradient * grad_loss
    return (scaled, *(None,) * (len(ctx.saved_tensors) - 1 + len(ctx.options)))


def _setup_histogram(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.mark_non_differentiable(output)


def _no_gradient(ctx: Any, grad_histogram: Tensor) -> None:
    raise AssertionError("a histogram has no gradient")


# --- registration ---


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
        f"torchghm::{_stem}_histogram", _no_gradient, setup_context=_setup_histogram, lib=_library
    )
    torch.library.register_autograd(
        f"torchghm::{_stem}_loss_and_gradient", _backward, setup_context=_setup, lib=_library
    )
