"""Instructions beyond what Numba offers by itself: memory, calls, and what threads share."""

from __future__ import annotations

from typing import cast

import numba.extending
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import populate_array

from torchghm.kernels.cpu.simd.annotations import Llvm
from torchghm.kernels.cpu.simd.compiling import emitted, intrinsic


@intrinsic
def array_at(typing_context: Llvm, address: Llvm, dtype: Llvm, start: Llvm, count: Llvm) -> Llvm:
    """``count`` numbers of the tensor at an address, from number ``start`` on.

    Numba's `carray` does that, too, but is compiled anew for every dtype and every constant. All are int64, so that
    2^31 numbers are no limit.
    """
    array = types.Array(dtype.dtype, 1, "C")

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        address, _, start, count = arguments
        number = context.get_data_type(dtype.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(number))
        made = context.make_array(array)(context, builder)
        first = builder.inttoptr(address, number.as_pointer())
        cast(Llvm, populate_array)(
            made, data=builder.gep(first, [start]), shape=[count], strides=[size], itemsize=size, meminfo=None
        )
        return made._getvalue()

    return array(types.int64, dtype, types.int64, types.int64), generate


@cast(Llvm, numba.extending.intrinsic)(prefer_literal=True)  # type: ignore[untyped-decorator]
def stack_memory(typing_context: Llvm, count: Llvm, size: Llvm) -> Llvm:
    """Address of memory for ``count`` times ``size`` bytes, constants, until the calling function returns.

    It begins a cache line. Arrays in it have no count of references, which would be moved atomically at every slice.
    """

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        number = ir.Constant(ir.IntType(64), count.literal_value * size.literal_value)
        memory = cgutils.alloca_once(builder, ir.IntType(8), size=number)  # type: ignore[no-untyped-call]
        memory.align = 64
        return builder.ptrtoint(memory, ir.IntType(64))

    constant = isinstance(count, types.IntegerLiteral) and isinstance(size, types.IntegerLiteral)
    return (types.int64(count, size), generate) if constant else None


@emitted(types.int64)
def as_int64(context: Llvm, builder: Llvm, kinds: Llvm, number: Llvm) -> Llvm:
    """A constant without the type that Numba gives it, for which a function would be compiled once more."""
    return number


@emitted(types.void)
def call(context: Llvm, builder: Llvm, kinds: Llvm, function: Llvm, argument: Llvm) -> None:
    """Call the C function at an address with a pointer."""
    kind = ir.FunctionType(ir.VoidType(), [argument.type])
    builder.call(builder.inttoptr(function, kind.as_pointer()), [argument])


@emitted(types.void)
def call_team(
    context: Llvm, builder: Llvm, kinds: Llvm, team: Llvm, function: Llvm, argument: Llvm, threads: Llvm
) -> None:
    """Call it on so many threads, which the C function ``team`` of OpenMP's form starts and waits for."""
    address, number = ir.IntType(64), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [address, argument.type, number, number])
    operands = [function, argument, builder.trunc(threads, number), number(0)]
    builder.call(builder.inttoptr(team, kind.as_pointer()), operands)


@emitted(types.int64)
def fetch_add(context: Llvm, builder: Llvm, kinds: Llvm, address: Llvm, value: Llvm) -> Llvm:
    """Add to an int64 that threads share; returns what it was."""
    return builder.atomic_rmw("add", builder.inttoptr(address, ir.IntType(64).as_pointer()), value, "monotonic")


@emitted(types.void)
def fence(context: Llvm, builder: Llvm, kinds: Llvm) -> None:
    """All that was stored before is seen by other threads before all that is stored after, past the caches too."""
    builder.fence("seq_cst")
