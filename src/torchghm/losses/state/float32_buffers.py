"""The memory of a loss stays float32 whatever precision its model is cast to."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Float32Buffers(nn.Module):
    """A module whose own buffers move between devices, but keep float32 under ``.half()`` and ``.double()``.

    In float16 counts beyond 65,504 would be infinite, and an average over iterations would lose what is rare.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Float32Buffers:
        before = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in self.named_buffers(recurse=False):
            if buffer.dtype != torch.float32:  # .half() and .double() are for the model, not for its memory
                same = before[name].device == buffer.device or before[name].is_meta
                value = buffer.float() if before[name].is_meta else before[name]
                setattr(self, name, value if same else value.to(buffer.device))
        return self
