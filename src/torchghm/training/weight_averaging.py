"""An exponential moving average of a detector's weights over the steps: what is validated, saved and used."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from torchghm.training.loop.module import DetectorModule, is_loss_state
from torchghm.training.loop.processes import process_count

TRAINING_WEIGHTS_KEY = "torchghm_training_weights"
"""Entry of a checkpoint: the values that the training goes on with, by the names of ``state_dict``, which has their
averages."""


def decay_at(step: int, decay: float) -> float:
    """Return the factor of the former average at a step, which is smaller at the start: min(d, (1 + t) / (10 + t)).

    Arguments:
        step: t, the optimiser steps taken, from 1.
        decay: d in (0, 1).

    Source:
        The warm-up of TensorFlow's ``ExponentialMovingAverage(decay, num_updates)``.

    Examples:
        >>> decay_at(1, 0.999), decay_at(100_000, 0.999)
        (0.18181818181818182, 0.999)
    """
    return min(decay, (1 + step) / (10 + step))


def averaged_tensors(module: DetectorModule) -> dict[str, Tensor]:
    """Return the tensors that are averaged, by their names: floating point parameters and buffers of the network.

    The state of the losses is left out: a gradient density is a moving average of its own, and belongs to the training.
    """
    return {
        name: value.detach()
        for name, value in module.state_dict(keep_vars=True).items()
        if value.is_floating_point() and not is_loss_state(name)
    }


class AverageWeights(Callback):
    """Averages the weights after every optimiser step, a_t = d_t a_(t-1) + (1 - d_t) w_t, from the initial ones on.

    Validation sees the averages. In a checkpoint they are the ``state_dict``, so that whatever reads a detector from it
    has them; the weights that the training goes on with lie beside it.

    Arguments:
        decay: d in (0, 1), see `decay_at`.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.averages: dict[str, Tensor] = {}
        self._step = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the weights that the training starts from, or go on with a checkpoint's averages."""
        assert isinstance(pl_module, DetectorModule)
        own = averaged_tensors(pl_module)
        self.averages = {
            name: self.averages.get(name, value).to(value.device, copy=True) for name, value in own.items()
        }

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from the step of a checkpoint, which is known by now."""
        self._step = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Average, where the batch ended a step."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        weights = self._pairs(pl_module)[0]
        torch._foreach_lerp_([*self.averages.values()], weights, 1 - decay_at(self._step, self.decay))

    @torch.no_grad()
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the detector the averages."""
        assert isinstance(pl_module, DetectorModule)
        if process_count() > 1:
            # Every process has normalised by its own images. The first one's statistics are saved, and count for all.
            for name, _ in pl_module.named_buffers():
                if name in self.averages:
                    dist.broadcast(self.averages[name], src=0)
        self._swap(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the detector back the weights that it is trained with."""
        self._swap(pl_module)

    @torch.no_grad()
    def _swap(self, module: LightningModule) -> None:
        weights, averages = self._pairs(module)
        trained = [value.clone() for value in weights]
        torch._foreach_copy_(weights, averages)
        torch._foreach_copy_(averages, trained)

    def _pairs(self, module: LightningModule) -> tuple[list[Tensor], list[Tensor]]:
        assert isinstance(module, DetectorModule)
        return [*averaged_tensors(module).values()], [*self.averages.values()]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the averages as the detector's weights."""
        state = checkpoint["state_dict"]
        checkpoint[TRAINING_WEIGHTS_KEY] = {name: state[name] for name in self.averages}
        checkpoint["state_dict"] = {**state, **self.averages}

    @torch.no_grad()
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on with both. The detector has been given the averages by now, as the checkpoint's ``state_dict``."""
        assert isinstance(pl_module, DetectorModule)
        trained = checkpoint[TRAINING_WEIGHTS_KEY]
        self.averages = {name: value.clone() for name, value in averaged_tensors(pl_module).items()}
        for name, value in averaged_tensors(pl_module).items():
            value.copy_(trained[name])
