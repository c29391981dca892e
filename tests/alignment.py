"""Copies of tensors that begin at another place in memory: what is computed from them must not change by a bit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

OFFSETS = (4, 8, 12, 20, 28, 32, 36, 44, 52, 60)
"""Bytes beyond a multiple of 64, where torch's own tensors begin."""


def moved(tensor: Tensor, offset: int) -> Tensor:
    """A copy of the same strides whose first byte lies ``offset`` bytes beyond a multiple of 64."""
    size = tensor.element_size()
    # Strides of tensors with gaps or overlaps are not kept by `empty_like`; no tensor of a training has any.
    span = 1 + sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    memory = torch.zeros((span if tensor.numel() else 0) * size + 128, dtype=torch.uint8)
    start = -memory.data_ptr() % 64 + -(-offset // size) * size
    copy = memory[start : start + span * size].view(tensor.dtype).as_strided(tensor.shape, tensor.stride())
    with torch.no_grad():
        copy.copy_(tensor)
    assert not tensor.numel() or copy.data_ptr() % 64 == -(-offset // size) * size % 64
    return copy


def moved_everywhere(value, offset: int):
    """Move every tensor in nested dictionaries, lists and tuples."""
    if isinstance(value, Tensor):
        return moved(value, offset)
    if isinstance(value, dict):
        return {key: moved_everywhere(entry, offset) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(moved_everywhere(entry, offset) for entry in value)
    return value


class MovedInputs(TorchDispatchMode):
    """Hands every operation float32 inputs that begin at another place in memory, gradients among them.

    Arguments:
        offset: bytes beyond a multiple of 64.
    """

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset
        self.operations: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        in_place_or_view = func._schema.is_mutable or any(output.alias_info for output in func._schema.returns)
        if not in_place_or_view:
            args = tree_map(self._moved, args)
            self.operations.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))

    def _moved(self, value: Any) -> Any:
        movable = isinstance(value, Tensor) and value.dtype is torch.float32 and value.numel()
        return moved(value, self.offset) if movable else value
