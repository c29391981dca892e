"""The ranks that a training batch is spread over, and sums over them: one all-reduce a loss and step."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor, nn

from torchghm.functional.weights import inverse


def rank_count() -> int:
    """Return the number of processes of ``torch.distributed``, 1 without it."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_ranks(values: Tensor) -> Tensor:
    """Return the sum of every rank's ``values``; the argument stays as it is."""
    total = values.clone()
    dist.all_reduce(total)
    return total


def is_joint(loss: nn.Module) -> bool:
    """Return whether a loss without harmonizing, in training, is a mean over the examples of all ranks."""
    return bool(loss.training and loss.sync and loss.reduction == "mean" and rank_count() > 1)


def part_of_joint_mean(total: Tensor, least: float = 0.0) -> Tensor:
    """Return what the mean over one rank's examples is multiplied by to be its part of the mean over all ranks'.

    A data-parallel wrapper averages over P ranks, so that sum_r (S_r / n_r) f_r / P has to be sum_r S_r / sum_r n_r:
    f_r = P n_r / sum_r n_r.

    Arguments:
        total: n_r, what this rank's sum was divided by, a scalar.
        least: smallest number that is divided by.
    """
    joint = sum_over_ranks(total).clamp(min=least)
    return rank_count() * total.clamp(min=least) * inverse(joint)
