"""exp, 1 / x and log1p of a few instructions each, because two passes over memory leave no time for more.

Triton compiles float32 `exp2` and `rsqrt` to one instruction each; `exp` and a division take five. Errors are below
1e-6 relative; float64 gets float64's precision.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def exponential(x):
    """exp(x)."""
    return tl.exp2(x * 1.4426950408889634)  # log2(e)


@triton.jit
def reciprocal(x):
    """1 / x of a positive number, as the square of 1 / sqrt(x)."""
    root = tl.rsqrt(x)
    return root * root


@triton.jit
def log1p_unit(z):
    """log(1 + z) for z in [0, 1], relatively accurate down to z = 0."""
    if z.dtype == tl.float64:
        return _log1p_corrected(z)
    else:
        # z P(z), where P is the polynomial of degree 7 with the least relative error on [0, 1], 1.9e-7.
        # The hardware's logarithm is accurate near 1 in absolute terms only, and most logits have z near 0.
        p = z * -0.00853920973 + 0.0440896355
        p = p * z - 0.107681718
        p = p * z + 0.177452417
        p = p * z - 0.244954629
        p = p * z + 0.332754798
        p = p * z - 0.499974054
        p = p * z + 0.999999806
        return p * z


@triton.jit
def log1p(z):
    """log(1 + z) for z >= 0."""
    if z.dtype == tl.float64:
        return _log1p_corrected(z)
    else:
        return tl.where(z <= 1.0, log1p_unit(tl.minimum(z, 1.0)), tl.log(1.0 + z))


@triton.jit
def _log1p_corrected(z):
    # log(1 + z) = log(u) + log((1 + z) / u) with u = 1 + z rounded; the second term is what rounding lost.
    u = 1.0 + z
    return tl.log(u) - ((u - 1.0) - z) / u
