"""What the kernels ask of LLVM beyond what Numba offers by itself, and the three ways they are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import llvmlite.binding  # type: ignore[import-untyped]
import numba
import numba.extending
from llvmlite import ir
from numba import types
from numba.np.numpy_support import carray

__all__ = [
    "LANES",
    "bits",
    "carray",
    "element",
    "elementwise",
    "fetch_add",
    "from_bits",
    "look_up_in_registers",
    "overload",
    "prefetch_line",
    "prefetch_line_for_writing",
    "scalar",
    "summing",
    "vectorize",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Decorator(Protocol):
    def __call__(self, function: _Function, /) -> _Function: ...


# Fast-math is limited to contraction (a * b + c in one rounding), and to the order of sums where a function says so:
# NaN and infinities keep their meaning. With error_model="numpy" a division by zero is an infinity, not an exception,
# whose branch would stop vectorisation.
elementwise = cast(_Decorator, numba.njit(fastmath={"contract"}, error_model="numpy"))
summing = cast(_Decorator, numba.njit(fastmath={"contract", "reassoc"}, error_model="numpy"))
scalar = cast(_Decorator, numba.njit(error_model="numpy"))
_intrinsic = cast(Callable[[Callable[..., Any]], Callable[..., Any]], numba.extending.intrinsic)


def overload(function: Callable[..., Any]) -> _Decorator:
    """Give a Python function its compiled form, chosen by the types of its arguments."""
    options: Any = {"fastmath": {"contract"}, "error_model": "numpy"}
    return cast(_Decorator, numba.extending.overload(function, jit_options=options))


@_intrinsic
def vectorize(typing_context: Any) -> Any:
    """Called first in a function: its array arguments don't overlap, and its loops use the widest vectors there are.

    Without the first LLVM does not vectorise a loop that looks up and stores (the store might change the table);
    without the second it stops at 256 bits on processors that have 512.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        # llvmlite's own `add` refuses attributes that it doesn't know.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


@_intrinsic
def bits(typing_context: Any, number: Any) -> Any:
    """The bits of a float32, as int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@_intrinsic
def from_bits(typing_context: Any, number: Any) -> Any:
    """The float32 of these bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@_intrinsic
def element(typing_context: Any, address: Any, index: Any, dtype: Any) -> Any:
    """A typed pointer to number ``index`` of the tensor at ``address``; both int64, so 2^31 numbers are no limit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))
        return builder.gep(first, [arguments[1]])

    return cast(Any, types.CPointer)(dtype.dtype)(types.int64, types.int64, dtype), generate


@_intrinsic
def fetch_add(typing_context: Any, address: Any, value: Any) -> Any:
    """Add to an int64 that threads share; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        shared = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", shared, arguments[1], "monotonic")

    return types.int64(types.int64, types.int64), generate


def _prefetch(for_writing: int) -> Callable[..., Any]:
    @_intrinsic
    def prefetch(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
            function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
            place = builder.inttoptr(arguments[0], byte)
            nearest_cache, data = integer(3), integer(1)
            builder.call(function, [place, integer(for_writing), nearest_cache, data])
            return context.get_dummy_value()

        return types.void(types.int64), generate

    return prefetch


prefetch_line, prefetch_line_for_writing = _prefetch(0), _prefetch(1)


def _float32_lanes() -> int:
    """Of the widest vector that the processor permutes by an index; 0 if it does not."""
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # a system that does not tell
        return 0
    return 16 if features.get("avx512f") else 8 if features.get("avx2") else 0


LANES = _float32_lanes()
"""Numbers that `look_up_in_registers` looks up at once; where it is 0, plain loads are faster."""


@_intrinsic
def look_up_in_registers(typing_context: Any, table: Any, index: Any, entries: Any, start: Any) -> Any:
    """``entries[start + i] = table[index[start + i]]`` for `LANES` indices and a float32 table of 32.

    Written element by element, as LLVM recognises a permutation of a vector by (vpermps on x86).
    """
    lanes = LANES
    numbers, integers = ir.VectorType(ir.FloatType(), lanes), ir.VectorType(ir.IntType(32), lanes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def place(argument: int, kind: Any, offset: Any) -> Any:
            array = context.make_array(signature.args[argument])(context, builder, arguments[argument])
            return builder.bitcast(builder.gep(array.data, [offset]), kind.as_pointer())

        def permute(source: Any, places: Any) -> Any:
            result = ir.Constant(numbers, ir.Undefined)
            for lane in range(lanes):
                at = ir.Constant(ir.IntType(32), lane)
                entry = builder.extract_element(source, builder.extract_element(places, at))
                result = builder.insert_element(result, entry, at)
            return result

        places = builder.load(place(1, integers, arguments[3]), align=4)
        within = builder.and_(places, ir.Constant(integers, [lanes - 1] * lanes))
        chosen = None
        for first in range(0, 32, lanes):
            part = builder.load(place(0, numbers, ir.Constant(ir.IntType(64), first)), align=4)
            found = permute(part, within)
            if chosen is None:
                chosen = found
            else:
                beyond = builder.icmp_signed(">=", places, ir.Constant(integers, [first] * lanes))
                chosen = builder.select(beyond, found, chosen)
        builder.store(chosen, place(2, numbers, arguments[3]), align=4)
        return context.get_dummy_value()

    return types.void(table, index, entries, types.int64), generate
