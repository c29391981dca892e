"""Memory for gradients: one large block is kept from step to step.

The system hands out fresh memory page by page at the first write, which takes longer than both passes together. So the
block that held the last large gradient is used again, once no tensor lives in it.
"""

from __future__ import annotations

import mmap
import threading
import weakref
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

LARGE = 2**25
"""Bytes from which on the C library gives a freed tensor's memory back to the system; what is smaller it keeps."""


class _Block(NamedTuple):
    memory: mmap.mmap
    tenant: weakref.ref[memoryview]
    """The view that the tensor in this block holds; dead as soon as the tensor's storage is."""


_lock = threading.Lock()
_kept: list[_Block] = []


def empty_gradient(like: Tensor) -> Tensor:
    """A contiguous tensor of the shape and dtype of ``like``, a CPU tensor, with any content."""
    size = like.numel() * like.element_size()
    if size < LARGE:
        return torch.empty_like(like, memory_format=torch.contiguous_format)
    with _lock:
        memory = _kept[0].memory if _kept and _kept[0].tenant() is None and len(_kept[0].memory) >= size else None
        memory = memory or _new_memory(size)
        view = memoryview(memory)
        tensor = torch.frombuffer(view, dtype=like.dtype, count=like.numel())
        _kept[:] = [_Block(memory, weakref.ref(view))]
    return tensor.view(like.shape)


def release_memory() -> None:
    """Give the kept block back to the system, now or when the tensor that lives in it is freed."""
    with _lock:
        _kept.clear()


def _new_memory(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a system without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)  # one fault for 2 MiB instead of 512 faults
    return memory
