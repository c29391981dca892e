"""Tables in memory, for more regions than registers hold: they are counted in and looked up one number at a time.

That is work for other parts of the processor than arithmetic with vectors is, and both go on at once if a loop does the
one for numbers whose regions it wrote a while ago: into a ring, from which they are read one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from torchghm.kernels.cpu.simd.intrinsics import carray, element, intrinsic, overload, scalar
from torchghm.kernels.cpu.simd.vectors import LANES

DELAY = 64
"""Numbers until what was written is read: until then it has come from the store buffer to the first cache."""
RING = 2 * DELAY
"""Numbers in a ring."""
_PAGE = 4096
RING_BYTES = 3 * _PAGE
"""Memory for the four rings of any dtype, wherever in a page they are to begin."""


class Ring(NamedTuple):
    """The last `RING` numbers of each."""

    index: Any
    """Regions, int32."""
    entries: Any
    """What the table says there."""
    slope: Any
    loss: Any


@scalar
def ring_in(memory: Any, regions: Any, real: Any) -> Any:
    """Rings in `RING_BYTES` of memory, where they are out of the way of pass 2's table, which begins a page."""
    width = np.empty(1, real).itemsize
    start = (memory + _PAGE - 1) // _PAGE * _PAGE + _quiet_place(width * regions, RING * (4 + 3 * width))
    return Ring(
        index=carray(element(start, 0, np.int32), (RING,)),
        entries=carray(element(start + 4 * RING, 0, real), (RING,)),
        slope=carray(element(start + 4 * RING, RING, real), (RING,)),
        loss=carray(element(start + 4 * RING, 2 * RING, real), (RING,)),
    )


@scalar
def _quiet_place(table: Any, size: Any) -> Any:
    """Where in a page ``size`` bytes lie farthest from the first and the last of so many of a table.

    A load waits for a store that was just before it at the same place in another page, which the processor takes for
    the same; and most examples fall in the first regions or the last.
    """
    last = table % _PAGE
    middle = last // 2 if last > _PAGE // 2 else (last + _PAGE) // 2
    return (middle - size // 2) // 64 * 64 % _PAGE


@scalar
def paged(numbers: Any, real: Any) -> Any:
    """That many zeros, which begin a page."""
    width = np.empty(1, real).itemsize
    memory = np.zeros(numbers + _PAGE // width if numbers else 0, real)
    first = (-memory.ctypes.data) % _PAGE // width
    return memory[first : first + numbers]


def count_in_memory(real: Any, index: Any, tables: Any, stride: Any, start: Any) -> None:
    """``tables[index[j] + j % 4 * stride] += 1`` for as many numbers from ``start`` on as are worked on at once.

    Arguments:
        tables: four of uint16.
        stride: their distance.
    """


@overload(count_in_memory)
def _count_in_memory(real: Any, index: Any, tables: Any, stride: Any, start: Any) -> Any:
    def one(real: Any, index: Any, tables: Any, stride: Any, start: Any) -> None:
        place = np.uint64(index[start] + start % 4 * stride)  # unsigned: no check for a negative index
        tables[place] = np.uint16(tables[place] + np.uint16(1))

    def several(real: Any, index: Any, tables: Any, stride: Any, start: Any) -> None:
        _count(index, tables, stride, start)

    return several if real.dtype == types.float32 else one


def look_up_in_memory(table: Any, index: Any, entries: Any, start: Any) -> None:
    """``entries[j] = table[index[j]]`` for as many numbers from ``start`` on as are worked on at once."""
    entries[start] = table[index[start]]


@overload(look_up_in_memory)
def _look_up_in_memory(table: Any, index: Any, entries: Any, start: Any) -> Any:
    def one(table: Any, index: Any, entries: Any, start: Any) -> None:
        entries[start] = table[np.uint64(index[start])]

    several = table.dtype == types.float32
    return (lambda table, index, entries, start: _look_up(table, index, entries, start)) if several else one


# Below, atomic loads are ordinary ones but for this: LLVM can't make a gather of them, which takes longer.


@intrinsic
def _count(typing_context: Any, index: Any, tables: Any, stride: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places, first = _pointers(context, builder, signature, arguments, 2)
        begins = [builder.gep(first, [builder.mul(arguments[2], ir.Constant(ir.IntType(64), n))]) for n in range(4)]
        one = ir.Constant(ir.IntType(16), 1)
        for lane, at in enumerate(_each_lane(builder, arguments[3])):
            number = builder.gep(begins[lane % 4], [_load_place(builder, places, at)])
            builder.store(builder.add(builder.load(number), one), number)
        return context.get_dummy_value()

    return types.void(index, tables, types.int64, types.int64), generate


@intrinsic
def _look_up(typing_context: Any, table: Any, index: Any, entries: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, places, found = _pointers(context, builder, signature, arguments, 3)
        for at in _each_lane(builder, arguments[3]):
            number = builder.gep(numbers, [_load_place(builder, places, at)])
            builder.store(builder.load_atomic(number, "unordered", align=4), builder.gep(found, [at]))
        return context.get_dummy_value()

    return types.void(table, index, entries, types.int64), generate


def _pointers(context: Any, builder: Any, signature: Any, arguments: Any, count: int) -> list[Any]:
    """To the numbers of the first ``count`` arguments, which are arrays; to integers, whatever the numbers are."""
    arrays = zip(signature.args[:count], arguments[:count], strict=True)
    return [
        builder.bitcast(
            context.make_array(kind)(context, builder, array).data, ir.IntType(kind.dtype.bitwidth).as_pointer()
        )
        for kind, array in arrays
    ]


def _each_lane(builder: Any, start: Any) -> list[Any]:
    return [builder.add(start, ir.Constant(ir.IntType(64), lane)) for lane in range(LANES)]


def _load_place(builder: Any, places: Any, at: Any) -> Any:
    return builder.zext(builder.load_atomic(builder.gep(places, [at]), "unordered", align=4), ir.IntType(64))
