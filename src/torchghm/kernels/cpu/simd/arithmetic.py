"""Arithmetic of one number or a vector: exp and log1p without branches or library calls."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import numpy as np
from numba import types

from torchghm.kernels.cpu.simd.annotations import Llvm, Number, Numbers, Real
from torchghm.kernels.cpu.simd.compiling import by_types, elementwise, scalar
from torchghm.kernels.cpu.simd.vectors import as_index, as_int32, bits, from_bits, select

_FLUSH = -64.0
"""exp below is 0: e^-64 = 1.6e-28 is nothing beside 1, and its products with a weight would be denormal, thus slow."""


@by_types
def exp_nonpositive(y: Number) -> Number:
    """exp(y) for y <= 0: float32 within 2 ulp (with fused multiply-add) and 0 below -64; NaN stays NaN."""

    def library(y: Number) -> Number:
        return math.exp(y)

    def polynomial(y: Number) -> Number:
        # e^y = 2^n e^r with n the nearest integer to y log2(e); adding 1.5 * 2^23 leaves n in the last bits.
        shifted = y * np.float32(1.44269504) + np.float32(12582912.0)
        r = y - (shifted - np.float32(12582912.0)) * np.float32(0.69314718)
        # e^r on [-log(2)/2, log(2)/2], minimax with p(0) = 1 exactly, relative error 9e-8. In pairs, not by Horner's
        # rule: what limits the loop is how long one number's operations wait for each other.
        r2 = r * r
        low = np.float32(0.9999997019767761) * r + np.float32(1.0)
        middle = np.float32(0.1666763573884964) * r + np.float32(0.4999915063381195)
        high = np.float32(0.008290314115583897) * r + np.float32(0.04189793020486832)
        p = (high * r2 + middle) * r2 + low
        # A product, not a sum of exponents: whatever bits a NaN leaves in n, p is NaN and stays it.
        power = p * from_bits(as_int32(as_int32(bits(shifted) << 23) + np.int32(0x3F800000)))
        return select(y < np.float32(_FLUSH), np.float32(0.0), power)

    return library if y == types.float64 else polynomial


@by_types
def log1p_unit(e: Number) -> Number:
    """log(1 + e) for e in [0, 1]: float32 within 2 ulp; NaN stays NaN."""

    def library(e: Number) -> Number:
        return math.log1p(e)

    def polynomial(e: Number) -> Number:
        # log(1 + e) / e on [0, 1], minimax with p(0) = 1 exactly, relative error 3.3e-8; in pairs as above.
        e2 = e * e
        low = np.float32(-0.49999648332595825) * e + np.float32(1.0)
        middle = np.float32(-0.24857163429260254) * e + np.float32(0.3332132399082184)
        high = np.float32(-0.13753801584243774) * e + np.float32(0.191536545753479)
        top = np.float32(-0.030065789818763733) * e + np.float32(0.07920452952384949)
        top = np.float32(0.005364823620766401) * e2 + top
        p = (top * e2 + high) * (e2 * e2) + (middle * e2 + low)
        return p * e

    return library if e == types.float64 else polynomial


@by_types
def log1p_nonnegative(s: Number) -> Number:
    """log(1 + s) for s >= 0 that is finite: float32 within 3 ulp."""

    def library(s: Number) -> Number:
        return math.log1p(s)

    def reduced(s: Number) -> Number:
        # 1 + s = 2^n (1 + e); below 1, where the sum would round s away, n is 0 and e is s.
        sum_bits = bits(s + np.float32(1.0))
        # Added to the bits of 2^23, an integer is the last digits of a float32.
        n = from_bits(as_int32((sum_bits >> 23) + np.int32(0x4B000000))) - np.float32(2.0**23 + 127)
        e = from_bits(as_int32((sum_bits & np.int32(0x7FFFFF)) + np.int32(0x3F800000))) - np.float32(1.0)
        small = s < np.float32(1.0)
        return select(small, np.float32(0.0), n * np.float32(0.69314718)) + log1p_unit(select(small, s, e))

    return library if s == types.float64 else reduced


@elementwise
def sigmoid(real: Real, x: Number, e: Number) -> Number:
    """1 / (1 + exp(-x)) from e = exp(-|x|), with full relative precision on both sides; ``real`` is the dtype."""
    return select(x < real(0), e, real(1)) / (real(1) + e)


@scalar
def region_scale(real: Real, regions: int) -> Number:
    """Factor of g in `region`: M, and 4 units in the last place more.

    g M rounds, and g itself may be a few roundings below its exact value: so g = k/M falls in region k for every M.
    An example within as much of an edge may fall on either side of it.
    """
    return real(regions) * (real(1) + real(4) * (np.nextafter(real(1), real(2)) - real(1)))


class Regions(NamedTuple):
    """How [0, 1] is divided, and what `region` is told of it in the dtype of the arithmetic."""

    number: int
    scale: Number
    last: Number
    edges: Numbers
    """As `load_edges` returns them; None where regions are found by g."""


def has_no_edges(regions: Llvm) -> bool:
    """Whether `Regions` of this type are found by g."""
    return cast(bool, regions.types[3] == types.none)


@scalar
def regions_of(number: int, edges: Numbers, real: Real) -> Regions:
    """[0, 1] in so many regions."""
    return Regions(number, region_scale(real, number), real(number - 1), edges)


@elementwise
def region(norm: Number, regions: Regions) -> Number:
    """The region floor(g M), at most the last, of a gradient norm, as int32.

    NaN falls in the last one: converted as it is it would be any number.
    """
    position = norm * regions.scale
    return as_index(select(position < regions.last, position, regions.last))
