"""Order and augmentation of the images: functions of the seed and the epoch alone.

Neither the loss, nor the number of worker processes, nor an interruption changes what a run sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from torchghm.data import DetectionDataset
from torchghm.data.loading.dataset import Target

Key = tuple[int, int]
"""(epoch, index of the image)."""


class EpochBatches(Sampler[list[Key]]):
    """Batches of one process, shuffled anew in every epoch; a last batch that is not full is left out.

    The images of a step are the same for any number of processes and of accumulated parts: each takes its part.

    Arguments:
        images: number of training images, at least ``batch_size``.
        batch_size: images of a step, over all processes and accumulated batches; a multiple of both.
        epoch: gives the epoch that an iteration is for.
        seed: of the order.
        rank: of this process, from 0.
        processes: number of processes.
        accumulate: batches of a process that make a step together.
        done: gives how many batches of the epoch a resumed run has behind it; all of them is none of the next.

    `check_batch_size` refuses what can't be.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        epoch: Callable[[], int],
        *,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        accumulate: int = 1,
        done: Callable[[], int] = lambda: 0,
    ) -> None:
        self.images, self.batch_size, self.epoch, self.seed = images, batch_size, epoch, seed
        self.done = done
        self.rank, self.processes, self.accumulate = rank, processes, accumulate

    def __len__(self) -> int:
        return self.images // self.batch_size * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        epoch = self.epoch()
        order = np.random.default_rng([self.seed, epoch]).permutation(self.images)
        part = self.batch_size // (self.processes * self.accumulate)
        for batch in range(self.done() % len(self), len(self)):
            start = (batch * self.processes + self.rank) * part
            yield [(epoch, int(index)) for index in order[start : start + part]]


def check_batch_size(images: int, batch_size: int, *, processes: int, accumulate: int) -> None:
    """Refuse a batch size that can't be shared out, or that the images don't fill.

    Raises:
        ValueError: the message names the key of the recipe.
    """
    if batch_size % (processes * accumulate):
        raise ValueError(
            f"Expected `data.batch_size` to be a multiple of {processes} (processes) x {accumulate} "
            f"(trainer.accumulate), but got {batch_size}"
        )
    if images < batch_size:
        raise ValueError(f"Expected `data.batch_size` to be at most the {images} training images, but got {batch_size}")


def batch_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """Return the seed of what a detector draws while it trains on a batch, as with sampled anchors or dropout."""
    # The spawn key sets it apart from the seed of an image.
    state = np.random.SeedSequence([seed, epoch, batch, rank], spawn_key=(1,)).generate_state(1, np.uint64)
    return int(state[0])


class SeededSamples(Dataset[tuple[Tensor, Target]]):
    """A data set of random transforms, in which every image of every epoch has a random generator of its own.

    The targets get an `index` besides, that of the image in the records.
    """

    def __init__(self, dataset: DetectionDataset, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __getitem__(self, key: Key) -> tuple[Tensor, Target]:
        state = np.random.SeedSequence([self.seed, *key]).generate_state(1, np.uint64)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(state[0]))
            image, target = self.dataset[key[1]]
        return image, {**target, "index": key[1]}
