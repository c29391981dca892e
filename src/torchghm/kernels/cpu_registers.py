"""Instructions that loops of Numba can't ask for: to look up tables, count small numbers, and write past the caches.

A processor's gather reads one number after the other. A table of 32 float32 stays in two or four vector registers
instead, and looking up is a permutation of each.
"""

from __future__ import annotations

import functools
from typing import Any, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features

from torchghm.kernels.cpu_intrinsics import intrinsic

ENTRIES = 32
"""Of a table that is looked up in registers."""


def _float32_lanes() -> int:
    """Of the widest vector that the processor which Numba compiles for permutes by an index; 0 if it does not."""
    told = cast(Any, config).CPU_FEATURES  # NUMBA_CPU_FEATURES, and "" with NUMBA_CPU_NAME=generic
    features = (cast(Any, get_host_cpu_features)() if told is None else told).split(",")
    return 16 if "+avx512f" in features else 8 if "+avx2" in features else 0


LANES = _float32_lanes()
"""Numbers that are looked up at once; where it is 0, there is no such instruction."""
COUNTED, FEW, COLUMNS = 512, 32, 16
"""Of `count_in_planes`: indices in a tile, what each is below, and the parts that a tile is counted in."""


class _Vectors:
    """Vectors of ``lanes`` numbers in arrays of float32 and int32, which are the arguments of an intrinsic."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any, lanes: int) -> None:
        self.context, self.builder, self.signature, self.arguments = context, builder, signature, arguments
        self.numbers, self.integers = ir.VectorType(ir.FloatType(), lanes), ir.VectorType(ir.IntType(32), lanes)
        self.lanes = lanes

    def load(self, argument: int, start: Any) -> Any:
        """The vector that begins at number ``start``."""
        return self.builder.load(self._place(argument, start), align=4)

    def store(self, vector: Any, argument: int, start: Any) -> None:
        self.builder.store(vector, self._place(argument, start), align=4)

    def stream(self, vector: Any, argument: int, start: Any) -> None:
        """Store past the caches, to a place that a vector may begin at."""
        instruction = self.builder.store(vector, self._place(argument, start), align=4 * self.lanes)
        once = ir.Constant(ir.IntType(32), 1)
        instruction.set_metadata("nontemporal", self.builder.module.add_metadata([once]))

    def _place(self, argument: int, start: Any) -> Any:
        kind = self.signature.args[argument]
        data = self.context.make_array(kind)(self.context, self.builder, self.arguments[argument]).data
        vector = self.integers if kind.dtype == types.int32 else self.numbers
        offset = ir.Constant(ir.IntType(64), start) if isinstance(start, int) else start
        return self.builder.bitcast(self.builder.gep(data, [offset]), vector.as_pointer())

    def constant(self, number: int) -> Any:
        return ir.Constant(self.integers, [number] * self.lanes)

    def call(self, name: str, *vectors: Any) -> Any:
        """An instruction that LLVM has an intrinsic for, with a result like the first vector."""
        kind = ir.FunctionType(vectors[0].type, [vector.type for vector in vectors])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)  # type: ignore[no-untyped-call]
        return self.builder.call(function, vectors)

    def look_up(self, argument: int, places: Any) -> Any:
        """What a table of `ENTRIES` numbers says at these places."""
        parts = [self.load(argument, first) for first in range(0, ENTRIES, self.lanes)]
        if self.lanes == 16:
            return self.call("llvm.x86.avx512.vpermi2var.ps.512", parts[0], places, parts[1])
        found = self.call("llvm.x86.avx2.permps", parts[0], places)  # by the last three bits of a place
        for number, part in enumerate(parts[1:], 1):
            beyond = self.builder.icmp_signed(">=", places, self.constant(number * self.lanes))
            found = self.builder.select(beyond, self.call("llvm.x86.avx2.permps", part, places), found)
        return found

    def step_below(self, numbers: Any, edges: int, places: Any) -> Any:
        """The places, or those before them where a number does not reach the edge there."""
        below = self.builder.fcmp_unordered("<", numbers, self.look_up(edges, places))
        return self.builder.add(places, self.builder.sext(below, self.integers))


@intrinsic
def look_up_in_registers(typing_context: Any, table: Any, index: Any, entries: Any, start: Any) -> Any:
    """``entries[i] = table[index[i]]`` for `LANES` indices from ``start`` on, and a float32 table of `ENTRIES`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder, signature, arguments, LANES)
        vectors.store(vectors.look_up(0, vectors.load(1, arguments[3])), 2, arguments[3])
        return context.get_dummy_value()

    return types.void(table, index, entries, types.int64), generate


@intrinsic
def look_up_in_memory(typing_context: Any, table: Any, index: Any, entries: Any, start: Any) -> Any:
    """``entries[i] = table[index[i]]`` for 16 indices from ``start`` on, and float32 tables of any length.

    By atomic loads, which are ordinary ones but for this: LLVM can't make a gather of them, which takes longer.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(32)
        numbers, places, found = (
            builder.bitcast(context.make_array(kind)(context, builder, array).data, integer.as_pointer())
            for kind, array in zip(signature.args[:3], arguments[:3], strict=True)
        )
        for offset in range(16):
            at = builder.add(arguments[3], ir.Constant(ir.IntType(64), offset))
            place = builder.zext(builder.load(builder.gep(places, [at])), ir.IntType(64))
            number = builder.load_atomic(builder.gep(numbers, [place]), "unordered", align=4)
            builder.store(number, builder.gep(found, [at]))
        return context.get_dummy_value()

    return types.void(table, index, entries, types.int64), generate


@intrinsic
def step_below_edges(typing_context: Any, numbers: Any, edges: Any, index: Any, start: Any) -> Any:
    """``index[i] -= not numbers[i] >= edges[index[i]]`` for `LANES` numbers from ``start`` on, and `ENTRIES` edges."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder, signature, arguments, LANES)
        places = vectors.step_below(vectors.load(0, arguments[3]), 1, vectors.load(2, arguments[3]))
        vectors.store(places, 2, arguments[3])
        return context.get_dummy_value()

    return types.void(numbers, edges, index, types.int64), generate


@intrinsic
def look_up_below_edges(
    typing_context: Any, numbers: Any, edges: Any, table: Any, index: Any, entries: Any, start: Any
) -> Any:
    """`step_below_edges` and `look_up_in_registers`, without a store in between; the index stays as it is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder, signature, arguments, LANES)
        places = vectors.step_below(vectors.load(0, arguments[5]), 1, vectors.load(3, arguments[5]))
        vectors.store(vectors.look_up(2, places), 4, arguments[5])
        return context.get_dummy_value()

    return types.void(numbers, edges, table, index, entries, types.int64), generate


@intrinsic
def stream_vector(typing_context: Any, source: Any, destination: Any, start: Any) -> Any:
    """``destination[i] = source[i]`` for 16 float32 from ``start`` on, past the caches; a cache line begins there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder, signature, arguments, 16)
        vectors.stream(vectors.load(0, arguments[2]), 1, arguments[2])
        return context.get_dummy_value()

    return types.void(source, destination, types.int64), generate


@intrinsic
def count_in_planes(typing_context: Any, index: Any, counts: Any) -> Any:
    """Count indices below `FEW`: add how often each occurs to ``counts``, int32 [FEW, COLUMNS], a column for each part.

    An index is five bits. The same bit of all indices makes a plane of 512 bits, and an index occurs where the planes
    of its ones meet outside the planes of its zeros: as often as bits are set there.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder, signature, arguments, COLUMNS)

        def union(parts: list[Any]) -> Any:
            return functools.reduce(builder.or_, parts)

        def shifted(vector: Any, places: int) -> Any:
            return builder.shl(vector, vectors.constant(places))

        def plane(words: list[Any], bit: int) -> Any:
            ones = [builder.and_(builder.lshr(w, vectors.constant(bit)), vectors.constant(0x01010101)) for w in words]
            return union([shifted(one, number) for number, one in enumerate(ones)])

        def meetings(planes: list[Any]) -> list[Any]:
            """For every number of so many bits: where the planes have those."""
            found = [vectors.constant(-1)]
            for of_bit in planes:
                outside = builder.xor(of_bit, vectors.constant(-1))
                found = [builder.and_(f, outside) for f in found] + [builder.and_(f, of_bit) for f in found]
            return found

        # A word holds four indices, a byte each; the order does not matter.
        indices = [vectors.load(0, start) for start in range(0, COUNTED, COLUMNS)]
        words = [union([shifted(indices[8 * byte + word], 8 * byte) for byte in range(4)]) for word in range(8)]
        low, high = meetings([plane(words, bit) for bit in range(3)]), meetings([plane(words, bit) for bit in (3, 4)])
        for number in range(FEW):
            found = vectors.call("llvm.ctpop.v16i32", builder.and_(low[number % 8], high[number // 8]))
            vectors.store(builder.add(vectors.load(1, COLUMNS * number), found), 1, COLUMNS * number)
        return context.get_dummy_value()

    return types.void(index, counts), generate
