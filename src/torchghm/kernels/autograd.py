"""Autograd of pass 2: the gradient is computed already, backward multiplies it by the gradient of the loss."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from torchghm.functional.examples import Examples
from torchghm.kernels import eager


def attach(inputs: tuple[Any, ...], loss: Tensor, gradient: Tensor, part: slice | None = None) -> Tensor:
    """Give a loss its gradient, where anything asks for it.

    Arguments:
        inputs: those of the op.
        part: of what stands there as the table, if that is more than the table.
    """
    if inputs[0].requires_grad and torch.is_grad_enabled():
        return cast(Tensor, _ComputedGradient.apply(inputs[0], (inputs, loss, gradient, part)))
    return loss


class _ComputedGradient(torch.autograd.Function):
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
        return _other_gradient(ctx, grad_loss) if gradient is None else _scale(gradient, grad_loss), None


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


def setup_loss(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    """Keep what backward of the registered pass 2 needs."""
    ctx.mark_non_differentiable(*output[1:])
    _remember(ctx, inputs, output[2], None)


def backward_of_loss(ctx: Any, grad_loss: Tensor, *others: Any) -> tuple[Tensor | None, ...]:
    """Backward of the registered pass 2."""
    gradient = _unscaled_gradient(ctx)
    # The op's caller may hold on to its gradient: no scaling in place.
    scaled = _other_gradient(ctx, grad_loss) if gradient is None else gradient * grad_loss
    return (scaled, *(None,) * (len(ctx.saved_tensors) - 1 + len(ctx.options)))


def setup_histogram(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Mark the histogram of the registered pass 1 as a constant."""
    ctx.mark_non_differentiable(output)


def no_gradient(ctx: Any, grad_histogram: Tensor) -> None:
    """Backward of the registered pass 1: never called."""
    raise AssertionError("a histogram has no gradient")


def _scale(gradient: Tensor, factor: Tensor) -> Tensor:
    """Multiply ``gradient`` in place by the scalar ``factor``, and return it; a CPU skips a factor of 1."""
    # On a GPU to look at the factor would be to wait for it.
    if factor.is_cpu and gradient.is_cpu and float(factor) == 1:
        return gradient
    return gradient.mul_(factor)
