"""Tables in registers.

A processor's gather reads one number after the other. With AVX-512 a table of 32 float32 stays in two vector registers
instead, and looking up is a permutation of both.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from torchghm.kernels.cpu.simd.intrinsics import intrinsic, overload
from torchghm.kernels.cpu.simd.loads_and_stores import vector_at
from torchghm.kernels.cpu.simd.vectors import INTEGERS, LANES, LLVM_TYPE, NUMBERS, call

ENTRIES = 32
"""Numbers in a table."""
TWO_REGISTERS = LANES == ENTRIES // 2
"""Whether looking up is one instruction; else such a table is looked up in memory."""


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
            return builder.load(vector_at(context, builder, NUMBERS, signature.args[0], arguments[0], start), align=4)

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
