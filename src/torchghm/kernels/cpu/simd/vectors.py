"""Vectors of numbers as values in code that Numba compiles: what a loop holds of them stays in registers.

The operators, `abs` and the functions below work on a `Vector` as on a single number; so arithmetic that is written
once serves both, and a loop may also do what LLVM does not turn into vectors by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, extending, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features

from torchghm.kernels.cpu.simd.annotations import Llvm
from torchghm.kernels.cpu.simd.compiling import intrinsic


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


def _constant(kind: Llvm, value: Llvm) -> Llvm:
    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        return ir.Constant(LLVM_TYPE[kind], value) if kind in LLVM_TYPE else context.get_constant(kind, value or 0)

    return generate


@intrinsic
def lanes(typing_context: Llvm, real: Llvm) -> Llvm:
    """How many numbers of this dtype are worked on at once."""
    return types.int64(real), _constant(types.int64, LANES if real.dtype == types.float32 else 1)


@intrinsic
def width(typing_context: Llvm, dtype: Llvm) -> Llvm:
    """Bytes of a number of this dtype."""
    return types.int64(dtype), _constant(types.int64, dtype.dtype.bitwidth // 8)


@intrinsic
def zero(typing_context: Llvm, real: Llvm) -> Llvm:
    """0 in every lane, to add to."""
    kind = NUMBERS if real.dtype == types.float32 else real.dtype
    return kind(real), _constant(kind, None)


@intrinsic
def select(typing_context: Llvm, condition: Llvm, true: Llvm, false: Llvm) -> Llvm:
    """``true`` where the condition holds, elsewhere ``false``."""
    several = condition == CONDITIONS
    kind = next((operand for operand in (true, false) if isinstance(operand, Vector)), NUMBERS)
    unliteral = cast(Llvm, types).unliteral
    kind = kind if several else typing_context.unify_pairs(unliteral(true), unliteral(false))

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        operands = arguments[1:]
        if several:
            operands = _as_vectors(context, builder, kind, operands, signature.args[1:])
        return builder.select(arguments[0], *operands)

    return kind(condition, true, false) if several else kind(types.boolean, kind, kind), generate


@intrinsic
def root(typing_context: Llvm, number: Llvm) -> Llvm:
    """The square root."""
    name = f"llvm.sqrt.v{LANES}f32" if number == NUMBERS else f"llvm.sqrt.f{number.bitwidth}"

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        return call(builder, name, arguments[0].type, arguments[0])

    return number(number), generate


@intrinsic
def as_int32(typing_context: Llvm, number: Llvm) -> Llvm:
    """A number that an int32 can hold, without what is behind the point."""
    return (INTEGERS if isinstance(number, Vector) else types.int32)(number), _truncate


def _truncate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
    number = signature.args[0]
    if number == NUMBERS:
        return builder.fptosi(arguments[0], LLVM_TYPE[INTEGERS])
    return arguments[0] if number == INTEGERS else context.cast(builder, arguments[0], number, types.int32)


@intrinsic
def as_index(typing_context: Llvm, number: Llvm) -> Llvm:
    """`as_int32` of a number that is not negative."""

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        result = _truncate(context, builder, signature, arguments)
        # The mask changes nothing; it lets LLVM drop Python's meaning of a negative index.
        return result if number == NUMBERS else builder.and_(result, ir.Constant(ir.IntType(32), 0x7FFFFFFF))

    return (INTEGERS if number == NUMBERS else types.int32)(number), generate


@intrinsic
def total(typing_context: Llvm, numbers: Llvm) -> Llvm:
    """The sum of what a vector holds; of a single number, itself."""

    def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
        if numbers != NUMBERS:
            return arguments[0]
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), LLVM_TYPE[NUMBERS]])
        name = f"llvm.vector.reduce.fadd.v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        return builder.call(function, (ir.Constant(ir.FloatType(), -0.0), arguments[0]), fastmath=("reassoc",))

    return (types.float32 if numbers == NUMBERS else numbers)(numbers), generate


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
