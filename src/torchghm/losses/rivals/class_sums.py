"""Sums of a loss for each class since the start of the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from torchghm.functional.arguments import check_integer
from torchghm.losses.state.float32_buffers import Float32Buffers
from torchghm.losses.state.ranks import rank_count, sum_over_ranks


class ClassSums(Float32Buffers):
    """Running sums of ``kinds`` numbers a class, over all batches and ranks.

    The buffer is updated in place and stays float32 whatever precision the model is cast to.

    Arguments:
        kinds: how many sums each class has.
        num_classes: K; None takes it from the first batch or from a saved state.
        sync: sum over the ranks of ``torch.distributed``.
    """

    sums: Tensor

    def __init__(self, kinds: int, num_classes: int | None, sync: bool) -> None:
        super().__init__()
        if num_classes is not None:
            check_integer("num_classes", num_classes, 1, expected="None or an integer of at least 1")
        self.num_classes = num_classes
        self.sync = sync
        self.register_buffer("sums", torch.zeros(kinds, num_classes or 0))

    def of(self, classes: int) -> Tensor:
        """Return the sums [kinds, K] for logits of so many classes; 0 before the first batch."""
        kinds, known = self.sums.shape
        if known == 0:
            return self.sums.new_zeros(kinds, classes)
        if known != classes:
            raise ValueError(
                f"Expected argument `inputs` to hold {known} classes, as the batches before, but got {classes}."
            )
        return self.sums

    @torch.no_grad()
    def add(self, batch: Tensor) -> None:
        """Add the sums [kinds, K] of a batch."""
        if self.sync and rank_count() > 1:
            batch = sum_over_ranks(batch)
        if self.sums.shape != batch.shape:
            self._resize(batch.shape)
        self.sums += batch.to(self.sums.dtype)

    @torch.no_grad()
    def _resize(self, shape: torch.Size) -> None:
        # In place: data-parallel wrappers hold on to the buffer itself.
        self.sums.resize_(shape).zero_()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "sums")
        if self.num_classes is None and saved is not None and saved.shape[:1] == self.sums.shape[:1]:
            self._resize(saved.shape)
        super()._load_from_state_dict(cast(dict[str, Any], state_dict), prefix, *args)
