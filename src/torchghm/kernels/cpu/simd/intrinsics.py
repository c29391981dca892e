"""What the kernels ask of LLVM beyond what Numba offers by itself, and the ways they are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import numba
import numba.extending
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.np.numpy_support import carray

__all__ = [
    "call",
    "call_team",
    "carray",
    "element",
    "elementwise",
    "fence",
    "fetch_add",
    "inlined",
    "intrinsic",
    "overload",
    "scalar",
    "stack_memory",
    "summing",
    "vectorize",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Decorator(Protocol):
    def __call__(self, function: _Function, /) -> _Function: ...


# Fast-math is limited to contraction (a * b + c in one rounding), and to the order of sums where a function says so:
# NaN and infinities keep their meaning. With error_model="numpy" a division by zero is an infinity, not an exception,
# whose branch would stop vectorisation. Without `_nrt` arrays can't be made there, but nor are references to them
# counted, by calls that would empty the registers.
_njit = cast(Any, numba.njit)
elementwise = cast(_Decorator, _njit(fastmath={"contract"}, error_model="numpy", _nrt=False))
inlined = cast(_Decorator, _njit(fastmath={"contract"}, error_model="numpy", _nrt=False, forceinline=True))
summing = cast(_Decorator, _njit(fastmath={"contract", "reassoc"}, error_model="numpy", _nrt=False))
scalar = cast(_Decorator, numba.njit(error_model="numpy"))
intrinsic = cast(Callable[[Callable[..., Any]], Callable[..., Any]], numba.extending.intrinsic)


def overload(function: Callable[..., Any]) -> _Decorator:
    """Give a Python function its compiled form, chosen by the types of its arguments."""
    options: Any = {"fastmath": {"contract"}, "error_model": "numpy", "_nrt": False}
    return cast(_Decorator, numba.extending.overload(function, jit_options=options, strict=False))


@intrinsic
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


@intrinsic
def element(typing_context: Any, address: Any, index: Any, dtype: Any) -> Any:
    """A typed pointer to number ``index`` of the tensor at ``address``; both int64, so 2^31 numbers are no limit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))
        return builder.gep(first, [arguments[1]])

    return cast(Any, types.CPointer)(dtype.dtype)(types.int64, types.int64, dtype), generate


@cast(Callable[[Callable[..., Any]], Callable[..., Any]], numba.extending.intrinsic(prefer_literal=True))
def stack_memory(typing_context: Any, count: Any, size: Any) -> Any:
    """Address of memory for ``count`` times ``size`` bytes, constants, until the calling function returns.

    It begins a cache line. Arrays in it have no count of references, which would be moved atomically at every slice.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.Constant(ir.IntType(64), count.literal_value * size.literal_value)
        memory = cgutils.alloca_once(builder, ir.IntType(8), size=number)  # type: ignore[no-untyped-call]
        memory.align = 64
        return builder.ptrtoint(memory, ir.IntType(64))

    constant = isinstance(count, types.IntegerLiteral) and isinstance(size, types.IntegerLiteral)
    return (types.int64(count, size), generate) if constant else None


@intrinsic
def call(typing_context: Any, function: Any, argument: Any) -> Any:
    """Call the C function at an address with a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [arguments[1].type])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])
        return context.get_dummy_value()

    return types.void(types.int64, argument), generate


@intrinsic
def call_team(typing_context: Any, team: Any, function: Any, argument: Any, threads: Any) -> Any:
    """The same on so many threads, which the C function ``team`` of OpenMP's form starts and waits for."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, number = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address, arguments[2].type, number, number])
        threads = builder.trunc(arguments[3], number)
        builder.call(
            builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1], arguments[2], threads, number(0)]
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, argument, types.int64), generate


@intrinsic
def fetch_add(typing_context: Any, address: Any, value: Any) -> Any:
    """Add to an int64 that threads share; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        shared = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", shared, arguments[1], "monotonic")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def fence(typing_context: Any) -> Any:
    """All that was stored before is seen by other threads before all that is stored after, past the caches too."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate
