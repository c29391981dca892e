"""Multiplying a stored gradient by the gradient of the loss, which is 1 more often than not."""

from __future__ import annotations

from torch import Tensor


def scale_(gradient: Tensor, factor: Tensor) -> Tensor:
    """Multiply ``gradient`` in place by the scalar ``factor``, and return it; a CPU skips a factor of 1."""
    # On a GPU to look at the factor would be to wait for it.
    if factor.is_cpu and gradient.is_cpu and float(factor) == 1:
        return gradient
    return gradient.mul_(factor)
