"""Vectors of numbers as values in code that Numba compiles: what a loop holds of them stays in registers.

The operators, `abs` and the functions below work on a `Vector` as on a single number; so arithmetic that is written
once serves both, and a loop may also do what LLVM does not turn into vectors by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, extending, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features

from torchghm.kernels.cpu.simd.intrinsics import intrinsic, overload


def _float32_lanes() -> int:
    """Of the widest vector that the processor has which Numba compiles for."""
    told = cast(Any, config).CPU_FEATURES  # NUMBA_CPU_FEATURES, and "" with NUMBA_CPU_NAME=generic
    features = (cast(Any, get_host_cpu_features)() if told is None else told).split(",")
    return 16 if "+avx512f" in features else 8 if "+avx2" in features else 4


_extending = cast(Any, extending)
LANES = _float32_lanes()
"""Numbers in a vector."""


class Vector(types.Type):
    """`LANES` numbers of one dtype: float32, int32, or boolean for what a comparison says."""

    def __init__(self, dtype: Any) -> None:
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
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, LLVM_TYPE[kind])


def call(builder: Any, name: str, result: Any, *operands: Any) -> Any:
    """An instruction that LLVM has an intrinsic for."""
    kind = ir.FunctionType(result, [operand.type for operand in operands])
    function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(function, operands)


def _as_vectors(context: Any, builder: Any, kind: Vector, numbers: Any, types_of: Any) -> list[Any]:
    """Vectors as they are, and single numbers in every lane of one."""

    def spread(number: Any, own: Any) -> Any:
        number = context.cast(builder, number, own, kind.dtype)
        undefined = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
        first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, undefined, ir.Constant(LLVM_TYPE[INTEGERS], [0] * LANES))

    return [n if isinstance(own, Vector) else spread(n, own) for n, own in zip(numbers, types_of, strict=True)]


def _define(function: Any, instruction: dict[Vector, str], compared: str | None = None) -> None:
    """Let an operator take two vectors of these kinds, or a vector and a number, by llvmlite's instruction."""

    def typer(left: Any, right: Any) -> Any:
        kind = left if isinstance(left, Vector) else right
        fits = kind in instruction and all(o == kind or isinstance(o, types.Number) for o in (left, right))
        return (CONDITIONS if compared else kind) if fits else None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = next(a for a in signature.args if isinstance(a, Vector))
        operands = _as_vectors(context, builder, kind, arguments, signature.args)
        build = getattr(builder, instruction[kind])
        return build(compared, *operands) if compared else build(*operands)

    _extending.type_callable(function)(lambda context: typer)
    for operands in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        _extending.lower_builtin(function, *operands)(generate)


def _define_unary(function: Any, build: Callable[[Any, Any], Any]) -> None:
    """The same for an operator of one vector of float32."""

    def typer(number: Any) -> Any:
        return number if number == NUMBERS else None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return build(builder, arguments[0])

    _extending.type_callable(function)(lambda context: typer)
    _extending.lower_builtin(function, Vector)(generate)


for _operator in (operator.add, operator.iadd):
    _define(_operator, {NUMBERS: "fadd", INTEGERS: "add"})
_define(operator.sub, {NUMBERS: "fsub", INTEGERS: "sub"})
_define(operator.mul, {NUMBERS: "fmul"})
_define(operator.truediv, {NUMBERS: "fdiv"})
_define(operator.lshift, {INTEGERS: "shl"})
for _operator, _sign in ((operator.lt, "<"), (operator.gt, ">"), (operator.ge, ">="), (operator.eq, "==")):
    _define(_operator, {NUMBERS: "fcmp_ordered", INTEGERS: "icmp_signed"}, _sign)
_define_unary(operator.neg, lambda builder, number: builder.fneg(number))
_define_unary(abs, lambda builder, number: call(builder, f"llvm.fabs.v{LANES}f32", number.type, number))


def lanes(real: Any) -> int:
    """How many numbers of this dtype are worked on at once."""
    return LANES if real is np.float32 else 1


@overload(lanes)
def _lanes(real: Any) -> Any:
    count = LANES if real.dtype == types.float32 else 1
    return lambda real: count


def zero(real: Any) -> Any:
    """0 in every lane, to add to."""
    return real(0)


@overload(zero)
def _zero(real: Any) -> Any:
    return (lambda real: _zeros()) if real.dtype == types.float32 else (lambda real: real(0))


@intrinsic
def _zeros(typing_context: Any) -> Any:
    return NUMBERS(), lambda context, builder, signature, arguments: ir.Constant(LLVM_TYPE[NUMBERS], None)


def select(condition: Any, true: Any, false: Any) -> Any:
    """``true`` where the condition holds, elsewhere ``false``."""
    return true if condition else false


@overload(select)
def _select(condition: Any, true: Any, false: Any) -> Any:
    if condition == CONDITIONS:
        return lambda condition, true, false: _select_lanes(condition, true, false)
    return lambda condition, true, false: true if condition else false


@intrinsic
def _select_lanes(typing_context: Any, condition: Any, true: Any, false: Any) -> Any:
    kind = next((operand for operand in (true, false) if isinstance(operand, Vector)), NUMBERS)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        operands = _as_vectors(context, builder, kind, arguments[1:], signature.args[1:])
        return builder.select(arguments[0], *operands)

    return kind(condition, true, false), generate


def root(number: Any) -> Any:
    """The square root."""
    return np.sqrt(number)


@overload(root)
def _root(number: Any) -> Any:
    return (lambda number: _root_lanes(number)) if number == NUMBERS else (lambda number: np.sqrt(number))


@intrinsic
def _root_lanes(typing_context: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, f"llvm.sqrt.v{LANES}f32", arguments[0].type, arguments[0])

    return NUMBERS(numbers), generate


def as_int32(number: Any) -> Any:
    """A number that an int32 can hold, without what is behind the point."""
    return np.int32(number)


@overload(as_int32)
def _as_int32(number: Any) -> Any:
    if number == NUMBERS:
        return lambda number: _truncate(number)
    return (lambda number: number) if number == INTEGERS else (lambda number: np.int32(number))


def as_index(number: Any) -> Any:
    """The same for a number that is not negative."""
    return np.int32(number)


@overload(as_index)
def _as_index(number: Any) -> Any:
    if number == NUMBERS:
        return lambda number: _truncate(number)
    # The mask changes nothing; it lets LLVM drop Python's meaning of a negative index.
    return lambda number: np.int32(np.int32(number) & np.int32(0x7FFFFFFF))


@intrinsic
def _truncate(typing_context: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptosi(arguments[0], LLVM_TYPE[INTEGERS])

    return INTEGERS(numbers), generate


def total(numbers: Any) -> Any:
    """The sum of what a vector holds; of a single number, itself."""
    return numbers


@overload(total)
def _total(numbers: Any) -> Any:
    return (lambda numbers: _add_lanes(numbers)) if numbers == NUMBERS else (lambda numbers: numbers)


@intrinsic
def _add_lanes(typing_context: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), arguments[0].type])
        name = f"llvm.vector.reduce.fadd.v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        nothing = ir.Constant(ir.FloatType(), -0.0)
        return builder.call(function, (nothing, arguments[0]), fastmath=("reassoc",))

    return types.float32(numbers), generate


def _reinterpret(kind: Any, result: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(result))

    return result(kind), generate


@intrinsic
def bits(typing_context: Any, number: Any) -> Any:
    """The bits of float32, as int32."""
    return _reinterpret(NUMBERS, INTEGERS) if number == NUMBERS else _reinterpret(types.float32, types.int32)


@intrinsic
def from_bits(typing_context: Any, integer: Any) -> Any:
    """The float32 of these bits."""
    return _reinterpret(INTEGERS, NUMBERS) if integer == INTEGERS else _reinterpret(types.int32, types.float32)
