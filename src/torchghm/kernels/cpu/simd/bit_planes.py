"""Counting small numbers in planes of bits: 512 at once, without a table in memory."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from torchghm.kernels.cpu.simd.annotations import Llvm
from torchghm.kernels.cpu.simd.compiling import emitted
from torchghm.kernels.cpu.simd.vectors import LANES, call

COUNTED, FEW, COLUMNS = 512, 32, 16
"""Indices in a tile, what each is below, and the parts that a tile is counted in."""
MOST_IN_PLANES = FEW if LANES == COLUMNS else 0
"""So many regions, at most, are counted in planes: with narrower vectors that takes longer than tables in memory do."""


@emitted(types.void)
def count_in_planes(context: Llvm, builder: Llvm, kinds: Llvm, index: Llvm, counts: Llvm) -> None:
    """Count indices below `FEW`: add how often each occurs to ``counts``, int32 [FEW, COLUMNS], a column for each part.

    An index is five bits. The same bit of all indices makes a plane of 512 bits, and an index occurs where the planes
    of its ones meet outside the planes of its zeros: as often as bits are set there.
    """
    words_type = ir.VectorType(ir.IntType(32), COLUMNS)

    def constant(number: int) -> Llvm:
        return ir.Constant(words_type, [number] * COLUMNS)

    def place(kind: Llvm, array: Llvm, start: int) -> Llvm:
        data = context.make_array(kind)(context, builder, array).data
        return builder.bitcast(builder.gep(data, [ir.Constant(ir.IntType(64), start)]), words_type.as_pointer())

    def union(parts: Sequence[Llvm]) -> Llvm:
        return functools.reduce(builder.or_, parts)

    def shifted(vector: Llvm, places: int) -> Llvm:
        return builder.shl(vector, constant(places))

    def plane(words: Sequence[Llvm], bit: int) -> Llvm:
        ones = [builder.and_(builder.lshr(word, constant(bit)), constant(0x01010101)) for word in words]
        return union([shifted(one, number) for number, one in enumerate(ones)])

    def meetings(planes: Sequence[Llvm]) -> list[Llvm]:
        """For every number of so many bits: where the planes have those."""
        found = [constant(-1)]
        for of_bit in planes:
            outside = builder.xor(of_bit, constant(-1))
            found = [builder.and_(f, outside) for f in found] + [builder.and_(f, of_bit) for f in found]
        return found

    # A word holds four indices, a byte each; the order does not matter.
    indices = [builder.load(place(kinds[0], index, start), align=4) for start in range(0, COUNTED, COLUMNS)]
    words = [union([shifted(indices[8 * byte + word], 8 * byte) for byte in range(4)]) for word in range(8)]
    low, high = meetings([plane(words, bit) for bit in range(3)]), meetings([plane(words, bit) for bit in (3, 4)])
    for number in range(FEW):
        found = builder.and_(low[number % 8], high[number // 8])
        here = place(kinds[1], counts, COLUMNS * number)
        before = builder.load(here, align=4)
        times = call(builder, f"llvm.ctpop.v{COLUMNS}i32", words_type, found)
        builder.store(builder.add(before, times), here, align=4)
