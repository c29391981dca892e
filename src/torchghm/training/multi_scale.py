"""Training at several sizes: the images of a step are scaled to one that is drawn for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from torchghm.training.loop.module import DetectorModule


def drawn_factor(factors: tuple[float, float], seed: int, step: int) -> float:
    """Return the factor of the image size at a step, uniform between the smallest and the largest one.

    It is a function of the seed and the step alone: the same on all processes, for all parts of an accumulated batch,
    and in a run that was interrupted.

    Arguments:
        factors: smallest and largest factor.
        seed: of the run.
        step: optimiser steps taken so far.

    Examples:
        >>> 0.5 <= drawn_factor((0.5, 1.5), seed=0, step=3) <= 1.5
        True
    """
    # The spawn key sets it apart from the seeds of images and of batches.
    generator = np.random.default_rng(np.random.SeedSequence([seed, step], spawn_key=(2,)))
    return float(generator.uniform(*factors))


class DrawImageSizes(Callback):
    """Changes the size that the detector scales images and boxes to; validation has the recipe's own.

    Arguments:
        factors: smallest and largest factor of that size.
        seed: of the run.
    """

    def __init__(self, factors: tuple[float, float], seed: int) -> None:
        self.factors = factors
        self.seed = seed
        self._sides: tuple[tuple[int, ...], int] | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the size of the step."""
        assert isinstance(pl_module, DetectorModule)
        transform = pl_module.detector.transform
        if self._sides is None:
            self._sides = (transform.min_size, transform.max_size)
        shorter, longer = self._sides
        factor = drawn_factor(self.factors, self.seed, trainer.global_step)
        transform.min_size = tuple(round(factor * side) for side in shorter)
        transform.max_size = round(factor * longer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Set the recipe's size, which everything but training has."""
        assert isinstance(pl_module, DetectorModule)
        assert self._sides is not None
        pl_module.detector.transform.min_size, pl_module.detector.transform.max_size = self._sides
