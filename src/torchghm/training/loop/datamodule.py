"""Training and validation images as Lightning takes them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from torchghm.data import (
    DetectionData,
    DetectionDataset,
    ImageError,
    Records,
    collate,
    evaluation_transforms,
    training_transforms,
)
from torchghm.data.loading.dataset import Item, Target
from torchghm.data.loading.image_cache import ImageCache, fits_in_memory
from torchghm.training.loop.data_order import EpochBatches, SeededSamples
from torchghm.training.loop.processes import is_first, process_count, shard_for_rank
from torchghm.training.loop.recipe_data import with_boxes
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.sections import DataRecipe

_log = logging.getLogger("torchghm")

Batch = tuple[list[Tensor], list[Target]]


class DetectionDataModule(LightningDataModule):
    """The splits "train" and "val" of a data set, batched as a recipe says.

    Arguments:
        data: the data set.
        recipe: its `data`, `seed` and `trainer.accumulate` are read.

    Raises:
        ValueError: a split is missing, or has no box to learn from or to judge by.
    """

    def __init__(self, data: DetectionData, recipe: Recipe) -> None:
        super().__init__()
        self.data = data
        self.recipe = recipe
        self.train_records = with_boxes(data, "train")
        self.val_records = with_boxes(data, "val")
        self._caches: dict[str, ImageCache] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return len(self.train_records) // self.recipe.data.batch_size

    def train_samples(self) -> SeededSamples:
        """Return the training images, augmented as the recipe says, by epoch and index."""
        recipe = self.recipe.data
        transforms = training_transforms(
            flip=recipe.flip,
            vertical_flip=recipe.vertical_flip,
            scale_jitter=recipe.scale_jitter,
            translate=recipe.translate,
            colour_jitter=recipe.colour_jitter,
        )
        dataset = DetectionDataset(
            self.train_records,
            self.data.classes,
            transforms,
            training=True,
            mosaic=recipe.mosaic,
            cache=self._cached("training", self.train_records),
        )
        return SeededSamples(dataset, self.recipe.seed)

    def train_dataloader(self) -> DataLoader[Item]:
        """Return this process's share of the shuffled and augmented training images."""
        trainer, recipe = self._running_trainer, self.recipe.data
        batches = EpochBatches(
            len(self.train_records),
            recipe.batch_size,
            # Not `current_epoch`, which after a resume is still the finished epoch when the first batches are drawn.
            lambda: trainer.fit_loop.epoch_progress.current.processed,
            seed=self.recipe.seed,
            rank=trainer.global_rank,
            processes=trainer.world_size,
            accumulate=self.recipe.trainer.accumulate,
            # Lightning counts on from a checkpoint's batch, and leaves it to the loader to start there.
            done=lambda: trainer.fit_loop.epoch_loop.batch_progress.current.ready,
        )
        workers = _workers(recipe)
        return DataLoader(
            self.train_samples(),
            batch_sampler=batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=_pin_memory(),
            collate_fn=collate,
            worker_init_fn=leave_interrupts_to_the_parent,
        )

    def val_dataloader(self) -> DataLoader[Item]:
        """Return this process's share of the validation images, without repeats."""
        records = shard_for_rank(self.val_records)
        return evaluation_loader(records, self.data.classes, self.recipe, self._cached("validation", records))

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Turn bytes into floats in [0, 1] on the device: a quarter of the traffic between processes."""
        return to_floats(batch[0]), batch[1]

    def _cached(self, name: str, records: Records) -> ImageCache | None:
        data = self.recipe.data
        if data.cache is None:
            return None
        if name not in self._caches:
            # A mosaic decodes four images, so that each one is decoded up to four times an epoch.
            if data.cache == "auto" and not (name == "training" and data.mosaic > 0 and fits_in_memory(records)):
                return None
            try:
                cache = ImageCache(records)
            except ImageError:
                raise
            except ValueError as error:
                raise ValueError(f"data.cache: {error}") from error
            if is_first():
                _log.warning("data.cache: %d %s images take %.0f MB", len(cache), name, cache.megabytes)
            self._caches[name] = cache
        return self._caches[name]

    @property
    def _running_trainer(self) -> Any:
        if self.trainer is None:
            raise RuntimeError("Expected the data module to be run by a trainer, but got none")
        return self.trainer


def evaluation_loader(
    records: Records, classes: tuple[str, ...], recipe: Recipe, cache: ImageCache | None = None
) -> DataLoader[Item]:
    """Return images with their targets, in order and unchanged."""
    return DataLoader(
        DetectionDataset(records, classes, evaluation_transforms(), cache=cache),
        batch_size=_eval_batch_size(recipe),
        num_workers=_workers(recipe.data),
        pin_memory=_pin_memory(),
        collate_fn=collate,
        worker_init_fn=leave_interrupts_to_the_parent,
    )


def to_floats(images: list[Tensor]) -> list[Tensor]:
    """Return uint8 images as floats in [0, 1]."""
    return [image.float().div_(255) for image in images]


def on_device(images: list[Tensor], targets: list[Target], device: torch.device) -> Batch:
    """Return a batch of uint8 images and their targets on a device, the images as floats in [0, 1]."""
    names = ("boxes", "labels", "ignored_boxes")
    return (
        to_floats([image.to(device) for image in images]),
        [{name: target[name].to(device) for name in names} for target in targets],
    )


def leave_interrupts_to_the_parent(worker: int) -> None:
    """Ignore Ctrl-C in a worker process: the terminal sends it to all, and the training process ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _silent_where_the_parent_has_gone


def _silent_where_the_parent_has_gone(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Hide a worker's broken pipe: the parent that ended while it fetched an image has said why."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def _eval_batch_size(recipe: Recipe) -> int:
    """Return the images of a process's batch: without gradients twice as many fit as in training."""
    if recipe.data.eval_batch_size is not None:
        return recipe.data.eval_batch_size
    return max(1, 2 * recipe.data.batch_size // (process_count() * recipe.trainer.accumulate))


def _workers(recipe: DataRecipe) -> int:
    if recipe.workers is not None:
        return recipe.workers
    # One core in two: on a machine without a GPU the others compute, and one loader feeds them easily.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, max(1, cores // 2))


def _pin_memory() -> bool:
    return torch.cuda.is_available()
