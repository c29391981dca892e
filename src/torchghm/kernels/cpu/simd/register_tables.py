"""Tables in registers.

A processor's gather reads one number after the other. With AVX-512 a table of 32 float32 stays in two vector registers
instead, and looking up is a permutation of both.
"""

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]

from torchghm.kernels.cpu.simd.annotations import Llvm
from torchghm.kernels.cpu.simd.compiling import emitted
from torchghm.kernels.cpu.simd.loads_and_stores import numbers_at
from torchghm.kernels.cpu.simd.vectors import LANES, LLVM_TYPE, NUMBERS, call

ENTRIES = 32
"""Numbers in a table."""
TWO_REGISTERS = LANES == ENTRIES // 2
"""Whether looking up is one instruction; else such a table is looked up in memory."""


@emitted(NUMBERS)
def look_up_in_registers(context: Llvm, builder: Llvm, kinds: Llvm, table: Llvm, places: Llvm) -> Llvm:
    """Look up a vector of places in a table of `ENTRIES` float32, where there are `TWO_REGISTERS`."""

    def half(first: int) -> Llvm:
        start = ir.Constant(ir.IntType(64), first)
        return builder.load(numbers_at(context, builder, NUMBERS, kinds[0], table, start), align=4)

    name = "llvm.x86.avx512.vpermi2var.ps.512"
    return call(builder, name, LLVM_TYPE[NUMBERS], half(0), places, half(LANES))
