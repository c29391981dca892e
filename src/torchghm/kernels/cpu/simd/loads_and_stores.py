"""How numbers lie in memory: vectors in and out of arrays, tiles of any dtype in and out of tensors.

What can't be read where it lies goes through tiles that stay in the processor's first cache; low precision is converted
there, in vectors, and never as a whole tensor.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from torchghm.kernels.cpu.simd.annotations import Llvm, Numbers
from torchghm.kernels.cpu.simd.compiling import elementwise, intrinsic, scalar, vectorize
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.vectors import LANES, LLVM_TYPE, NUMBERS, Vector, bits, from_bits

TILE = 512
"""Numbers in a tile: enough for vector loops, and so few that in a 32 KiB cache the buffers leave room for tables."""
TILE_BYTES = 8 * TILE + 64
"""Memory for a tile of any dtype, and a cache line."""
STREAMED = 2**23
"""From so many float32 on a tensor is written past the caches: 32 MiB, more than most processors' caches hold."""

FLOAT32, FLOAT64, BFLOAT16, FLOAT16 = 0, 1, 2, 3
STORAGE = {torch.float32: FLOAT32, torch.float64: FLOAT64, torch.bfloat16: BFLOAT16, torch.float16: FLOAT16}
"""Code of every dtype that the kernels read and write."""


@intrinsic
def load_numbers(typing_context: Llvm, array: Llvm, start: Llvm) -> Llvm:
    """Read what begins at number ``start``: a vector of float32, or one float64."""
    kind = NUMBERS if array.dtype == types.float32 else array.dtype

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        place = numbers_at(context, builder, kind, signature.args[0], *arguments)
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return kind(array, types.int64), generate


def _storing(streamed: bool) -> Callable[..., Llvm]:
    def store(typing_context: Llvm, array: Llvm, start: Llvm, numbers: Llvm) -> Llvm:
        kind = numbers if isinstance(numbers, Vector) else array.dtype

        def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
            place = numbers_at(context, builder, kind, signature.args[0], *arguments[:2])
            if not (streamed and kind == NUMBERS):
                builder.store(arguments[2], place, align=array.dtype.bitwidth // 8)
            else:
                once = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
                builder.store(arguments[2], place, align=4 * LANES).set_metadata("nontemporal", once)
            return context.get_dummy_value()

        return types.void(array, types.int64, kind), generate

    return intrinsic(store)


store_numbers = _storing(streamed=False)
"""Write a vector, or a single number, to number ``start`` and on."""
stream_numbers = _storing(streamed=True)
"""`store_numbers` past the caches, to a place that a vector may begin at; float64 are stored as ever."""


def numbers_at(context: Llvm, builder: Llvm, kind: Llvm, array_type: Llvm, array: Llvm, start: Llvm) -> Llvm:
    """Pointer to the vector, or the number, in an array that begins at number ``start``."""
    place = builder.gep(context.make_array(array_type)(context, builder, array).data, [start])
    return builder.bitcast(place, LLVM_TYPE[kind].as_pointer()) if isinstance(kind, Vector) else place


@scalar
def load(storage: int, address: int, start: int, count: int, tile: Numbers) -> None:
    """Read ``count`` numbers from number ``start`` on into the tile."""
    if storage == FLOAT32:
        convert(array_at(address, np.float32, start, count), tile)
    elif storage == FLOAT64:
        convert(array_at(address, np.float64, start, count), tile)
    elif storage == BFLOAT16:
        _from_bfloat16(array_at(address, np.uint16, start, count), tile)
    else:
        _from_float16(array_at(address, np.uint16, start, count), tile)


@scalar
def store(storage: int, address: int, start: int, count: int, tile: Numbers) -> None:
    """Write the tile's first ``count`` numbers to number ``start`` and on."""
    if storage == FLOAT32:
        convert(tile[:count], array_at(address, np.float32, start, count))
    elif storage == FLOAT64:
        convert(tile[:count], array_at(address, np.float64, start, count))
    elif storage == BFLOAT16:
        _to_bfloat16(tile[:count], array_at(address, np.uint16, start, count))
    else:
        _to_float16(tile[:count], array_at(address, np.uint16, start, count))


@elementwise
def convert(source: Numbers, destination: Numbers) -> None:
    """Copy to an array of any dtype. Assigning to a slice would compile the text of its errors as well, for seconds."""
    vectorize()
    for j in range(source.size):
        destination[j] = source[j]


@elementwise
def _from_bfloat16(source: Numbers, tile: Numbers) -> None:
    vectorize()
    for j in range(source.size):
        tile[j] = from_bits(np.int32(np.int32(source[j]) << 16))


@elementwise
def _to_bfloat16(tile: Numbers, destination: Numbers) -> None:
    vectorize()
    for j in range(tile.size):
        number = np.uint32(bits(np.float32(tile[j])))
        rounded = np.uint32(number + np.uint32(0x7FFF) + ((number >> np.uint32(16)) & np.uint32(1)))  # to even
        nan = np.uint32(number & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
        destination[j] = np.uint16(np.uint32(0x7FC0) if nan else rounded >> np.uint32(16))


@elementwise
def _from_float16(source: Numbers, tile: Numbers) -> None:
    vectorize()
    for j in range(source.size):
        half = np.int32(source[j])
        # Exponent and mantissa at float32's places; the product by 2^112 moves the bias and makes subnormals normal.
        size = from_bits(np.int32((half & np.int32(0x7FFF)) << 13)) * np.float32(2.0**112)
        special = np.int32(0x7F800000) if np.int32(half & np.int32(0x7C00)) == np.int32(0x7C00) else np.int32(0)
        sign = np.int32((half & np.int32(0x8000)) << 16)
        tile[j] = from_bits(np.int32(bits(size) | special | sign))


@elementwise
def _to_float16(tile: Numbers, destination: Numbers) -> None:
    vectorize()
    for j in range(tile.size):
        number = bits(np.float32(tile[j]))
        size = np.int32(number & np.int32(0x7FFFFFFF))
        normal = np.int32((size - 0x38000000 + 0xFFF + ((size >> 13) & 1)) >> 13)  # to even
        subnormal = np.int32(bits(from_bits(size) + np.float32(0.5)) - 0x3F000000)  # the sum rounds at 2^-24
        half = subnormal if size < np.int32(0x38800000) else normal
        half = half if size < np.int32(0x47800000) else np.int32(0x7C00)
        half = half if size <= np.int32(0x7F800000) else np.int32(0x7E00)
        destination[j] = np.uint16(half | ((number >> 16) & 0x8000))
