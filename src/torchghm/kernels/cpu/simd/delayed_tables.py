"""Tables in memory, for more regions than registers hold: they are counted in and looked up one number at a time.

That is work for other parts of the processor than arithmetic with vectors is, and both go on at once if a loop does the
one for numbers whose regions it wrote a while ago: into a delay line, from which they are read one by one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from torchghm.kernels.cpu.simd.annotations import Llvm, Number, Numbers, Option, Real
from torchghm.kernels.cpu.simd.compiling import arrays_by_types, emitted, scalar
from torchghm.kernels.cpu.simd.intrinsics import array_at
from torchghm.kernels.cpu.simd.vectors import LANES, width

DELAY = 64
"""Numbers until what was written is read: until then it has come from the store buffer to the first cache."""
DELAY_LINE = 2 * DELAY
"""Numbers in each of its arrays."""
_PAGE = 4096
DELAY_LINE_BYTES = 3 * _PAGE
"""Memory for its four arrays of any dtype, wherever in a page they begin."""


class DelayLine(NamedTuple):
    """Results for the last `DELAY_LINE` numbers."""

    index: Numbers
    """Regions, int32."""
    entries: Numbers
    """The table's entries there."""
    slope: Numbers
    loss: Numbers


@arrays_by_types
def delay_line_in(memory: int, regions: int, real: Real, in_registers: Option) -> Number:
    """A delay line in `DELAY_LINE_BYTES` of memory, out of the way of pass 2's table, which begins a page.

    None where no table lies in memory.
    """

    def line(memory: int, regions: int, real: Real, in_registers: Option) -> DelayLine:
        place = _place_in_page(width(real) * regions, DELAY_LINE * (4 + 3 * width(real)))
        start = (memory + _PAGE - 1) // _PAGE * _PAGE + place
        return DelayLine(
            index=array_at(start, np.int32, 0, DELAY_LINE),
            entries=array_at(start + 4 * DELAY_LINE, real, 0, DELAY_LINE),
            slope=array_at(start + 4 * DELAY_LINE, real, DELAY_LINE, DELAY_LINE),
            loss=array_at(start + 4 * DELAY_LINE, real, 2 * DELAY_LINE, DELAY_LINE),
        )

    return line if in_registers == types.none else lambda memory, regions, real, in_registers: None


@scalar
def _place_in_page(table: int, size: int) -> int:
    """Where in a page ``size`` bytes lie farthest from the first and the last of so many of a table.

    A load waits for a store that was just before it at the same place in another page, which the processor takes for
    the same; and most examples fall in the first regions or the last.
    """
    last = table % _PAGE
    middle = last // 2 if last > _PAGE // 2 else (last + _PAGE) // 2
    return (middle - size // 2) // 64 * 64 % _PAGE


@scalar
def paged(numbers: int, real: Real) -> Numbers:
    """That many zeros, which begin a page."""
    memory = np.zeros(numbers + _PAGE // width(real), real)
    first = (-memory.ctypes.data) % _PAGE // width(real)
    return memory[first : first + numbers]


# Below, atomic loads are ordinary ones but for this: LLVM can't make a gather of them, which takes longer.


@emitted(types.void)
def count_in_memory(
    context: Llvm, builder: Llvm, kinds: Llvm, real: Llvm, index: Llvm, tables: Llvm, start: Llvm
) -> None:
    """Count an index in one of four tables: the number ``start``, and as many more as are worked on at once.

    ``tables`` are uint16, one behind the other; number j goes to table j % 4.
    """
    places, first = _bits_of(context, builder, kinds[1], index), _bits_of(context, builder, kinds[2], tables)
    one, several = ir.Constant(ir.IntType(16), 1), kinds[0].dtype == types.float32
    stride = builder.lshr(context.make_array(kinds[2])(context, builder, tables).nitems, ir.Constant(ir.IntType(64), 2))
    for lane, at in enumerate(_each_place(builder, start, kinds[0].dtype)):
        turn = ir.Constant(ir.IntType(64), lane % 4) if several else builder.and_(at, ir.Constant(ir.IntType(64), 3))
        table = builder.gep(first, [builder.mul(stride, turn)])
        number = builder.gep(table, [_load_place(builder, places, at)])
        builder.store(builder.add(builder.load(number), one), number)


@emitted(types.void)
def look_up_in_memory(
    context: Llvm, builder: Llvm, kinds: Llvm, table: Llvm, index: Llvm, entries: Llvm, start: Llvm
) -> None:
    """``entries[j] = table[index[j]]`` for as many numbers from ``start`` on as are worked on at once."""
    arrays, dtype = zip(kinds, (table, index, entries), strict=False), kinds[0].dtype
    numbers, places, found = (_bits_of(context, builder, kind, array) for kind, array in arrays)
    for at in _each_place(builder, start, dtype):
        number = builder.gep(numbers, [_load_place(builder, places, at)])
        entry = builder.load_atomic(number, "unordered", align=dtype.bitwidth // 8)
        builder.store(entry, builder.gep(found, [at]))


def _bits_of(context: Llvm, builder: Llvm, kind: Llvm, array: Llvm) -> Llvm:
    """Pointer to an array's numbers as integers, whatever they are."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(data, ir.IntType(kind.dtype.bitwidth).as_pointer())


def _each_place(builder: Llvm, start: Llvm, dtype: Llvm) -> list[Llvm]:
    count = LANES if dtype == types.float32 else 1
    return [builder.add(start, ir.Constant(ir.IntType(64), lane)) for lane in range(count)]


def _load_place(builder: Llvm, places: Llvm, at: Llvm) -> Llvm:
    return builder.zext(builder.load_atomic(builder.gep(places, [at]), "unordered", align=4), ir.IntType(64))
