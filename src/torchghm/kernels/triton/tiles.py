"""How a pass walks over memory on a GPU: a few programs a multiprocessor, each looping over tiles.

A tile is BLOCK consecutive numbers of the flat input, whatever the number of classes: every load and store is then
aligned and coalesced, and no lane is wasted on a row that is no power of two.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: SIM108 (a branch on a number known only at run time must be a statement)

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

PROGRAMS_PER_MULTIPROCESSOR = 12
"""Programs that loop over the tiles, for each multiprocessor: a multiple of the 3, 4 or 6 that run there at a time, few
enough that their partial sums are small."""

THREADS = tl.constexpr(128)
LAUNCH_OPTIONS: dict[str, Any] = {"num_warps": THREADS.value // 32, "enable_fp_fusion": True}
"""Four warps a program; a product and a sum become one instruction."""


@triton.jit
def tile_span(tile, elements, BLOCK: tl.constexpr):
    """First element of a tile, int64 because inputs pass 2^31 elements, and how many of its elements exist, int32."""
    start = tl.cast(tile, tl.int64) * BLOCK
    return start, tl.minimum(elements - start, BLOCK).to(tl.int32)


@triton.jit
def load_tile(pointer, element, left, COMPUTE: tl.constexpr, BLOCK: tl.constexpr):
    """The tile in the dtype of the arithmetic, 0 past the end. Only the last tile pays for a mask."""
    if left == BLOCK:
        values = tl.load(pointer + element)
    else:
        values = tl.load(pointer + element, mask=element < left, other=0.0)
    return values.to(COMPUTE)


@triton.jit
def store_tile(pointer, element, left, values, BLOCK: tl.constexpr):
    """Write a tile in the dtype of the output."""
    values = values.to(pointer.dtype.element_ty)
    if left == BLOCK:
        tl.store(pointer + element, values)
    else:
        tl.store(pointer + element, values, mask=element < left)


@triton.jit
def sum_by_thread(values, VECTOR: tl.constexpr, BLOCK: tl.constexpr):
    """Sums of a tile, [THREADS], one for each thread's own elements: threads need not wait for each other.

    A thread holds VECTOR consecutive elements, 16 bytes of the input, of every THREADS * VECTOR.
    """
    values = tl.reshape(values, [BLOCK // (THREADS * VECTOR), THREADS, VECTOR])
    return tl.sum(tl.sum(values, axis=2), axis=0)


@triton.jit
def store_sums(sums, harmonized, plain, size, size_of_positives):
    """Write a program's four sums to its row of ``sums``; the last is a number already."""
    sums += tl.program_id(0) * 4
    tl.store(sums, tl.sum(harmonized))
    tl.store(sums + 1, tl.sum(plain))
    tl.store(sums + 2, tl.sum(size))
    tl.store(sums + 3, size_of_positives)


def program_count(tensor: Tensor, tiles: int) -> int:
    """Programs to launch for so many tiles on the device of ``tensor`` (2 in Triton's interpreter)."""
    if not tensor.is_cuda:
        return min(tiles, 2)
    properties = torch.cuda.get_device_properties(tensor.device)
    return min(tiles, PROGRAMS_PER_MULTIPROCESSOR * properties.multi_processor_count)


def compute_type(tensor: Tensor) -> tl.dtype:
    """The dtype of all arithmetic: float64 for float64, else float32."""
    return tl.float64 if tensor.dtype == torch.float64 else tl.float32


def device_of(tensor: Tensor) -> AbstractContextManager[Any]:
    """Launches go to the current device: make it the one of ``tensor``."""
    return torch.cuda.device_of(tensor) if tensor.is_cuda else nullcontext()
