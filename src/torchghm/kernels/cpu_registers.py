"""Vectors from memory and back, and what registers do at once: look up a short table, count small numbers.

A processor's gather reads one number after the other. With AVX-512 a table of 32 float32 stays in two vector registers
instead, and looking up is a permutation of both.
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from torchghm.kernels.cpu_intrinsics import intrinsic, overload
from torchghm.kernels.cpu_vectors import INTEGERS, LANES, LLVM_TYPE, NUMBERS, Vector, call

ENTRIES = 32
"""Of a table that is looked up in registers."""
TWO_REGISTERS = LANES == ENTRIES // 2
"""Whether that is one instruction; else such a table is looked up in memory."""
COUNTED, FEW, COLUMNS = 512, 32, 16
"""Of `count_in_planes`: indices in a tile, what each is below, and the parts that a tile is counted in."""


def load_numbers(array: Any, start: Any) -> Any:
    """What begins at number ``start``: a vector of float32, or one float64."""
    return array[start]


@overload(load_numbers)
def _load_numbers(array: Any, start: Any) -> Any:
    if array.dtype == types.float64:
        return lambda array, start: array[start]
    return lambda array, start: _load(array, start)


@intrinsic
def _load(typing_context: Any, array: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, NUMBERS, signature.args[0], *arguments), align=4)

    return NUMBERS(array, types.int64), generate


def store_numbers(array: Any, start: Any, numbers: Any) -> None:
    """Write a vector, or a single number, to number ``start`` and on."""
    array[start] = numbers


@overload(store_numbers)
def _store_numbers(array: Any, start: Any, numbers: Any) -> Any:
    def one(array: Any, start: Any, numbers: Any) -> None:
        array[start] = numbers

    return (lambda array, start, numbers: _store(array, start, numbers)) if isinstance(numbers, Vector) else one


@intrinsic
def _store(typing_context: Any, array: Any, start: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, numbers, signature.args[0], *arguments[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, numbers), generate


def stream_numbers(array: Any, start: Any, numbers: Any) -> None:
    """`store_numbers` past the caches, to a place that a vector may begin at; float64 are stored as ever."""
    array[start] = numbers


@overload(stream_numbers)
def _stream_numbers(array: Any, start: Any, numbers: Any) -> Any:
    def one(array: Any, start: Any, numbers: Any) -> None:
        array[start] = numbers

    return (lambda array, start, numbers: _stream(array, start, numbers)) if numbers == NUMBERS else one


@intrinsic
def _stream(typing_context: Any, array: Any, start: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, numbers, signature.args[0], *arguments[:2])
        instruction = builder.store(arguments[2], place, align=4 * LANES)
        once = ir.Constant(ir.IntType(32), 1)
        instruction.set_metadata("nontemporal", builder.module.add_metadata([once]))
        return context.get_dummy_value()

    return types.void(array, types.int64, numbers), generate


def _place(context: Any, builder: Any, kind: Vector, array_type: Any, array: Any, start: Any) -> Any:
    """Pointer to the vector in an array that begins at number ``start``."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), LLVM_TYPE[kind].as_pointer())


def look_up_in_registers(table: Any, places: Any) -> Any:
    """What a table says at these places, a vector or one: `ENTRIES` float32, or float64."""
    return table[places]


@overload(look_up_in_registers)
def _look_up_in_registers(table: Any, places: Any) -> Any:
    if places == INTEGERS:
        return lambda table, places: _look_up(table, places)
    return lambda table, places: table[places]


@intrinsic
def _look_up(typing_context: Any, table: Any, places: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def half(first: int) -> Any:
            start = ir.Constant(ir.IntType(64), first)
            return builder.load(_place(context, builder, NUMBERS, signature.args[0], arguments[0], start), align=4)

        numbers, where = LLVM_TYPE[NUMBERS], arguments[1]
        if TWO_REGISTERS:
            return call(builder, "llvm.x86.avx512.vpermi2var.ps.512", numbers, half(0), where, half(LANES))
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        found = ir.Constant(numbers, ir.Undefined)
        for lane in (ir.Constant(ir.IntType(32), number) for number in range(LANES)):
            place = builder.zext(builder.extract_element(where, lane), ir.IntType(64))
            found = builder.insert_element(found, builder.load(builder.gep(data, [place])), lane)
        return found

    return NUMBERS(table, places), generate


@intrinsic
def count_in_planes(typing_context: Any, index: Any, counts: Any) -> Any:
    """Count indices below `FEW`: add how often each occurs to ``counts``, int32 [FEW, COLUMNS], a column for each part.

    An index is five bits. The same bit of all indices makes a plane of 512 bits, and an index occurs where the planes
    of its ones meet outside the planes of its zeros: as often as bits are set there.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words_type = ir.VectorType(ir.IntType(32), COLUMNS)

        def constant(number: int) -> Any:
            return ir.Constant(words_type, [number] * COLUMNS)

        def place(argument: int, start: int) -> Any:
            data = context.make_array(signature.args[argument])(context, builder, arguments[argument]).data
            return builder.bitcast(builder.gep(data, [ir.Constant(ir.IntType(64), start)]), words_type.as_pointer())

        def union(parts: list[Any]) -> Any:
            return functools.reduce(builder.or_, parts)

        def shifted(vector: Any, places: int) -> Any:
            return builder.shl(vector, constant(places))

        def plane(words: list[Any], bit: int) -> Any:
            ones = [builder.and_(builder.lshr(word, constant(bit)), constant(0x01010101)) for word in words]
            return union([shifted(one, number) for number, one in enumerate(ones)])

        def meetings(planes: list[Any]) -> list[Any]:
            """For every number of so many bits: where the planes have those."""
            found = [constant(-1)]
            for of_bit in planes:
                outside = builder.xor(of_bit, constant(-1))
                found = [builder.and_(f, outside) for f in found] + [builder.and_(f, of_bit) for f in found]
            return found

        # A word holds four indices, a byte each; the order does not matter.
        indices = [builder.load(place(0, start), align=4) for start in range(0, COUNTED, COLUMNS)]
        words = [union([shifted(indices[8 * byte + word], 8 * byte) for byte in range(4)]) for word in range(8)]
        low, high = meetings([plane(words, bit) for bit in range(3)]), meetings([plane(words, bit) for bit in (3, 4)])
        for number in range(FEW):
            found = builder.and_(low[number % 8], high[number // 8])
            here = place(1, COLUMNS * number)
            before = builder.load(here, align=4)
            times = call(builder, f"llvm.ctpop.v{COLUMNS}i32", words_type, found)
            builder.store(builder.add(before, times), here, align=4)
        return context.get_dummy_value()

    return types.void(index, counts), generate
