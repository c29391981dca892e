"""How the kernels' functions are compiled."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Protocol, TypeVar, cast

import numba
import numba.extending
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from torchghm.kernels.cpu.simd.annotations import Llvm

_Function = TypeVar("_Function", bound=Callable[..., Llvm])


class _Decorator(Protocol):
    def __call__(self, function: _Function, /) -> _Function: ...


# Fast-math is limited to contraction (a * b + c in one rounding), and to the order of sums where a function says so:
# NaN and infinities keep their meaning. With error_model="numpy" a division by zero is an infinity, not an exception,
# whose branch would stop vectorisation. Without `_nrt` arrays can't be made there, but nor are references to them
# counted, by calls that would empty the registers. C calls none of these functions, and Python none
# that has a form by its types: without what they would call a tenth less is compiled.
_OPTIONS: Llvm = {"error_model": "numpy", "no_cfunc_wrapper": True}
_WITHOUT_ARRAYS: Llvm = {**_OPTIONS, "_nrt": False, "fastmath": {"contract"}}
_SUMMING: Llvm = {**_WITHOUT_ARRAYS, "fastmath": {"contract", "reassoc"}}
_njit = cast(Llvm, numba.njit)
elementwise = cast(_Decorator, _njit(**_WITHOUT_ARRAYS))
summing = cast(_Decorator, _njit(**_SUMMING))
scalar = cast(_Decorator, _njit(**_OPTIONS))
part_of_caller = cast(_Decorator, _njit(**_OPTIONS, inline="always"))
"""Part of the entry point that calls it: compiled by itself, all that it calls would be optimised once more."""
intrinsic = cast(Callable[[Callable[..., Llvm]], Callable[..., Llvm]], numba.extending.intrinsic)


def _by_types(options: Llvm) -> Callable[[Callable[..., Llvm]], Callable[..., Llvm]]:
    """Make a function for compiled code, whose form ``choose`` returns when it is told the types of the arguments."""

    def decorate(choose: Callable[..., Llvm]) -> Callable[..., Llvm]:
        @functools.wraps(choose)
        def function(*arguments: Llvm) -> Llvm:
            raise NotImplementedError("only compiled code can call it")

        options_here = {**options, "no_cpython_wrapper": True}
        cast(Llvm, numba.extending.overload)(function, jit_options=options_here, strict=False)(choose)
        return function

    return decorate


by_types = _by_types(_WITHOUT_ARRAYS)
summing_by_types = _by_types(_SUMMING)
inlined_by_types = _by_types({**_WITHOUT_ARRAYS, "forceinline": True})
"""`by_types` of what is inlined whatever its size."""
arrays_by_types = _by_types(_OPTIONS)
"""`by_types` of what makes arrays."""


def emitted(result: Llvm) -> Callable[[Callable[..., Llvm]], Callable[..., Llvm]]:
    """Make a function for compiled code, which returns a ``result``, of one that emits its instructions.

    That one is told Numba's context, LLVM's builder, the arguments' types, and the arguments; integers are int64.
    """

    def decorate(emit: Callable[..., Llvm]) -> Callable[..., Llvm]:
        def choose(typing_context: Llvm, *kinds: Llvm) -> Llvm:
            kinds = tuple(types.int64 if isinstance(kind, types.Integer) else kind for kind in kinds)

            def generate(context: Llvm, builder: Llvm, signature: Llvm, arguments: Llvm) -> Llvm:
                value = emit(context, builder, kinds, *arguments)
                return context.get_dummy_value() if result == types.void else value

            return result(*kinds), generate

        signature = inspect.signature(emit)  # by which Numba tells the arguments apart
        cast(Llvm, choose).__signature__ = signature.replace(parameters=[*signature.parameters.values()][2:])
        return intrinsic(functools.update_wrapper(choose, emit))

    return decorate


@emitted(types.void)
def vectorize(context: Llvm, builder: Llvm, kinds: Llvm) -> None:
    """Called first in a function: its array arguments don't overlap, and its loops use the widest vectors there are.

    Without the first LLVM does not vectorise a loop that looks up and stores (the store might change the table);
    without the second it stops at 256 bits on processors that have 512.
    """
    for argument in builder.function.args:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")
    # llvmlite's own `add` refuses attributes that it doesn't know.
    set.add(builder.function.attributes, '"prefer-vector-width"="512"')
