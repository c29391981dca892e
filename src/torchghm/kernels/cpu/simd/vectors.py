"""Vectors of numbers as values in code that Numba compiles: what a loop holds of them stays in registers.

The operators, `abs` and the functions below work on a `Vector` as on a single number; so arithmetic that is written
once serves both, and a loop may also do what LLVM does not turn into vectors by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, extending, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features

from torchghm.kernels.cpu.simd.annotations import Llvm, Number, Real
from torchghm.kernels.cpu.simd.compiling import by_types, emitted, intrinsic


def _float32_lanes() -> int:
    """Count the lanes of the widest vector that the processor has and Numba compiles for."""
    told = cast(Llvm, config).CPU_FEATURES  # NUMBA_CPU_FEATURES, and "" with NUMBA_CPU_NAME=generic
    features = (cast(Llvm, get_host_cpu_features)() if told is None else told).split(",")
    return 16 if "+avx512f" in features else 8 if "+avx2" in features else 4


_extending = cast(Llvm, extending)
LANES = _float32_lanes()
"""Numbers in a vector."""


class Vector(types.Type):
    """`LANES` numbers of one dtype: float32, int32, or boolean for what a comparison says."""

    def __init__(self, dtype: Llvm) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


NUMBERS, INTEGERS, CONDITIONS = Vector(types.float32), Vector(types.int32), Vector(types.boolean)
LLVM_TYPE = {
    NUMBERS: ir.VectorType(ir.FloatType(), LANES),
    INTEGERS: ir.VectorType(ir.IntType(32), LANES),
    CONDITIONS: ir.VectorType(ir.IntType(1), LANES),
}


@_extending.register_model(Vector)
class _Model(_extending.models.PrimitiveModel):  # type: ignore[misc, name-defined]
    def __init__(self, manager: Llvm, kind: Llvm) -> None:
        super().__init__(manager, kind, LLVM_TYPE[kind])


def call(builder: Llvm, name: str, result: Llvm, *operands: Llvm) -> Llvm:
    """An instruction that LLVM has an intrinsic for."""
    kind = ir.FunctionType(result, [operand.type for operand in operands])
    function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(function, operands)


def _as_vectors(context: Llvm, builder: Llvm, kind: Vector, numbers: Llvm, types_of: Llvm) -> list[Llvm]:
    """Vectors as they are, and single numbers in every lane of one."""

    def spread(number: Llvm, own: Llvm) -> Llvm:
        number = context.cast(builder, number, own, kind.dtype)
        undefined = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
        first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, undefined, ir.Constant(LLVM_TYPE[INTEGERS], [0] * LANES))

    return [n if isinstance(own, Vector) else spread(n, own) for n, own in zip(numbers, types_of, strict=True)]


def _define(function: Callable[..., Llvm], instruction: dict[Vector, str], compared: str | None = None) -> None:
    """Let an operator take two vectors of these kinds, or a vector and a number, by llvmlite's instruction."""

    def typer(left: Llvm, right: Llvm) -> Llvm:
        kind = left if isinstance(left, Vector) else right
        fits = kind in instruction and all(o == kind or isinstance(o, types.Number) for o in (left, right))
        return (CONDITIONS if compared else kind) if fits else None

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        kind = next(a for a in signature.args if isinstance(a, Vector))
        operands = _as_vectors(context, builder, kind, arguments, signature.args)
        build = getattr(builder, instruction[kind])
        return build(compared, *operands) if compared else build(*operands)

    _extending.type_callable(function)(lambda context: typer)
    for operands in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        _extending.lower_builtin(function, *operands)(generate)


def _define_unary(function: Callable[..., Llvm], build: Callable[[Llvm, Llvm], Llvm]) -> None:
    """Let an operator take one vector of float32, by what ``build`` emits."""

    def typer(number: Llvm) -> Llvm:
        return number if number == NUMBERS else None

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        return build(builder, arguments[0])

    _extending.type_callable(function)(lambda context: typer)
    _extending.lower_builtin(function, Vector)(generate)


for _operator in (operator.add, operator.iadd):
    _define(_operator, {NUMBERS: "fadd", INTEGERS: "add"})
_define(operator.sub, {NUMBERS: "fsub", INTEGERS: "sub"})
_define(operator.mul, {NUMBERS: "fmul"})
_define(operator.truediv, {NUMBERS: "fdiv"})
_define(operator.lshift, {INTEGERS: "shl"})
_define(operator.rshift, {INTEGERS: "ashr"})
_define(operator.and_, {INTEGERS: "and_"})
for _operator, _sign in ((operator.lt, "<"), (operator.gt, ">"), (operator.ge, ">="), (operator.eq, "==")):
    _define(_operator, {NUMBERS: "fcmp_ordered", INTEGERS: "icmp_signed"}, _sign)
_define_unary(operator.neg, lambda builder, number: builder.fneg(number))
_define_unary(abs, lambda builder, number: call(builder, f"llvm.fabs.v{LANES}f32", number.type, number))


@by_types
def lanes(real: Real) -> Number:
    """How many numbers of this dtype are worked on at once."""
    count = LANES if real.dtype == types.float32 else 1
    return lambda real: count


@by_types
def width(dtype: Real) -> Number:
    """Bytes of a number of this dtype."""
    count = dtype.dtype.bitwidth // 8
    return lambda dtype: count


@by_types
def zero(real: Real) -> Number:
    """0 in every lane, to add to."""
    return (lambda real: _zeros()) if real.dtype == types.float32 else (lambda real: real(0))


@emitted(NUMBERS)
def _zeros(context: Llvm, builder: Llvm, kinds: Llvm) -> Llvm:
    return ir.Constant(LLVM_TYPE[NUMBERS], None)


@by_types
def select(condition: Number, true: Number, false: Number) -> Number:
    """``true`` where the condition holds, elsewhere ``false``."""
    if condition == CONDITIONS:
        return lambda condition, true, false: _select_lanes(condition, true, false)
    return lambda condition, true, false: true if condition else false


@intrinsic
def _select_lanes(typing_context: Llvm, condition: Llvm, true: Llvm, false: Llvm) -> Llvm:
    kind = next((operand for operand in (true, false) if isinstance(operand, Vector)), NUMBERS)

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        operands = _as_vectors(context, builder, kind, arguments[1:], signature.args[1:])
        return builder.select(arguments[0], *operands)

    return kind(condition, true, false), generate


@emitted(NUMBERS)
def _root_lanes(context: Llvm, builder: Llvm, kinds: Llvm, numbers: Llvm) -> Llvm:
    return call(builder, f"llvm.sqrt.v{LANES}f32", numbers.type, numbers)


@emitted(INTEGERS)
def _truncate_lanes(context: Llvm, builder: Llvm, kinds: Llvm, numbers: Llvm) -> Llvm:
    return builder.fptosi(numbers, LLVM_TYPE[INTEGERS])


@emitted(types.float32)
def _add_lanes(context: Llvm, builder: Llvm, kinds: Llvm, numbers: Llvm) -> Llvm:
    kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), numbers.type])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")  # type: ignore[no-untyped-call]
    return builder.call(function, (ir.Constant(ir.FloatType(), -0.0), numbers), fastmath=("reassoc",))


@by_types
def root(number: Number) -> Number:
    """The square root."""
    return (lambda number: _root_lanes(number)) if number == NUMBERS else (lambda number: np.sqrt(number))


@by_types
def as_int32(number: Number) -> Number:
    """A number that an int32 can hold, without what is behind the point."""
    if number == NUMBERS:
        return lambda number: _truncate_lanes(number)
    return (lambda number: number) if number == INTEGERS else (lambda number: np.int32(number))


@by_types
def as_index(number: Number) -> Number:
    """`as_int32` of a number that is not negative."""
    if number == NUMBERS:
        return lambda number: _truncate_lanes(number)
    # The mask changes nothing; it lets LLVM drop Python's meaning of a negative index.
    return lambda number: np.int32(np.int32(number) & np.int32(0x7FFFFFFF))


@by_types
def total(numbers: Number) -> Number:
    """The sum of what a vector holds; of a single number, itself."""
    return (lambda numbers: _add_lanes(numbers)) if numbers == NUMBERS else (lambda numbers: numbers)


def _reinterpret(kind: Llvm, result: Llvm) -> Llvm:
    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        return builder.bitcast(arguments[0], context.get_value_type(result))

    return result(kind), generate


@intrinsic
def bits(typing_context: Llvm, number: Llvm) -> Llvm:
    """The bits of float32, as int32."""
    return _reinterpret(NUMBERS, INTEGERS) if number == NUMBERS else _reinterpret(types.float32, types.int32)


@intrinsic
def from_bits(typing_context: Llvm, integer: Llvm) -> Llvm:
    """The float32 of these bits."""
    return _reinterpret(INTEGERS, NUMBERS) if integer == INTEGERS else _reinterpret(types.int32, types.float32)
