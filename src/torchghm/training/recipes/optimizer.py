"""Optimiser and learning rate schedule of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from torchghm.training.recipes.sections import OptimizerRecipe


def build_optimizer(
    recipe: OptimizerRecipe, parameters: Iterable[Parameter], *, backbone: Iterable[Parameter] = (), fused: bool
) -> Optimizer:
    """Return the optimiser of all parameters that are trained.

    Arguments:
        recipe: its kind and settings.
        parameters: those without ``requires_grad`` are left out.
        backbone: those of them whose learning rate is ``backbone_lr_factor`` times the others'; in a group of their
            own, the last, where that is not 1.
        fused: update all parameters in one kernel; not with a gradient scaler.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    slow = {id(parameter) for parameter in backbone} if recipe.backbone_lr_factor != 1 else set()
    groups = [
        {"params": [parameter for parameter in trained if id(parameter) not in slow], "lr": recipe.lr},
        {
            "params": [parameter for parameter in trained if id(parameter) in slow],
            "lr": recipe.lr * recipe.backbone_lr_factor,
        },
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.name == "sgd":
        return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=fused)
    return AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=fused)


def build_schedule(
    recipe: OptimizerRecipe, optimizer: Optimizer, *, total_steps: int, steps_per_epoch: int
) -> LRScheduler:
    """Return the schedule, to be stepped after every optimiser step.

    Arguments:
        recipe: its kind and settings.
        optimizer: whose learning rates, of all its groups, it scales.
        total_steps: optimiser steps of the whole run.
        steps_per_epoch: optimiser steps of an epoch, for milestones.
    """
    if recipe.schedule == "one_cycle":
        highest = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, highest, total_steps=total_steps)
    return LambdaLR(optimizer, learning_rate_factor(recipe, total_steps=total_steps, steps_per_epoch=steps_per_epoch))


def learning_rate_factor(recipe: OptimizerRecipe, *, total_steps: int, steps_per_epoch: int) -> Callable[[int], float]:
    """Return the learning rate of every step as a fraction of the highest one."""
    milestones = [epoch * steps_per_epoch for epoch in recipe.milestones]

    def factor(step: int) -> float:
        # From a thousandth, linearly, as the published 1x schedule warms up.
        warmup = min(1.0, 0.001 + 0.999 * step / recipe.warmup_steps) if recipe.warmup_steps else 1.0
        if recipe.schedule == "steps":
            return float(warmup * recipe.gamma ** sum(step >= milestone for milestone in milestones))
        if recipe.schedule == "cosine":
            done = max(0, step - recipe.warmup_steps) / max(1, total_steps - recipe.warmup_steps)
            return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return warmup

    return factor


def clip_grad_norm_(parameters: Iterable[Parameter], max_norm: float | None) -> torch.Tensor:
    """Clip the gradient of all parameters together in place, and return its 2-norm from before.

    Arguments:
        parameters: those without a gradient are left out.
        max_norm: largest 2-norm; None leaves the gradient as it is.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if max_norm is not None:
        factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(gradients, factor)
    return norm
