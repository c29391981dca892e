"""Tables in registers.

A processor's gather reads one number after the other. With AVX-512 a table of 32 float32 stays in two vector registers
instead, and looking up is a permutation of both.
"""

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]

from torchghm.kernels.cpu.simd.annotations import Llvm, Number, Numbers
from torchghm.kernels.cpu.simd.compiling import by_types, emitted
from torchghm.kernels.cpu.simd.loads_and_stores import vector_at
from torchghm.kernels.cpu.simd.vectors import INTEGERS, LANES, LLVM_TYPE, NUMBERS, call

ENTRIES = 32
"""Numbers in a table."""
TWO_REGISTERS = LANES == ENTRIES // 2
"""Whether looking up is one instruction; else such a table is looked up in memory."""


@by_types
def look_up_in_registers(table: Numbers, places: Number) -> Number:
    """Look up these places, a vector or one: `ENTRIES` float32, or float64."""
    if places == INTEGERS:
        return lambda table, places: _look_up(table, places)
    return lambda table, places: table[places]


@emitted(NUMBERS)
def _look_up(context: Llvm, builder: Llvm, kinds: Llvm, table: Llvm, places: Llvm) -> Llvm:
    def half(first: int) -> Llvm:
        start = ir.Constant(ir.IntType(64), first)
        return builder.load(vector_at(context, builder, NUMBERS, kinds[0], table, start), align=4)

    numbers = LLVM_TYPE[NUMBERS]
    if TWO_REGISTERS:
        return call(builder, "llvm.x86.avx512.vpermi2var.ps.512", numbers, half(0), places, half(LANES))
    data = context.make_array(kinds[0])(context, builder, table).data
    found = ir.Constant(numbers, ir.Undefined)
    for lane in (ir.Constant(ir.IntType(32), number) for number in range(LANES)):
        place = builder.zext(builder.extract_element(places, lane), ir.IntType(64))
        found = builder.insert_element(found, builder.load(builder.gep(data, [place])), lane)
    return found
