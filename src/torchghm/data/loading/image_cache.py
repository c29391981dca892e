"""Decoded images of a small data set, kept in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torchghm.data.images import read_image
from torchghm.data.records import ImageRecord
from torchghm.data.threads import in_threads

SHARE = 0.5
"""The largest part of the free memory that images may take."""
UNASKED_SHARE, UNASKED_MEGABYTES = 0.1, 1000
"""The largest part that they may take where nobody asked for it, and the most: a container may have less memory free
than the system says."""


class ImageCache:
    """All images of some records, decoded once, three bytes a pixel.

    They lie in one tensor: worker processes share it, whether they are forked or started anew.

    Arguments:
        records: of which images.

    Attributes:
        megabytes: that they take.

    Raises:
        ImageError: (a `ValueError`) an image can't be used, as when an item of `DetectionDataset` is read.
        ValueError: they take more than half of the memory that is free.

    Examples:
        >>> cache = ImageCache(data.select("train"))  # doctest: +SKIP
        >>> cache[0].shape  # doctest: +SKIP
        torch.Size([3, 480, 640])
    """

    def __init__(self, records: Sequence[ImageRecord]) -> None:
        self._sides = [(record.height, record.width) for record in records]
        self._ends = np.cumsum([0, *(3 * height * width for height, width in self._sides)], dtype=np.int64)
        self.megabytes = int(self._ends[-1]) / 1e6
        free = free_megabytes()
        if free is not None and self.megabytes > SHARE * free:
            raise ValueError(
                f"Expected the images to take at most half of the free memory of {free:,.0f} MB, but got "
                f"{len(self._sides)} images that take {self.megabytes:,.0f} MB when they are decoded"
            )
        self._bytes = torch.empty(int(self._ends[-1]), dtype=torch.uint8)
        deque(in_threads(self._read, enumerate(records)), maxlen=0)

    def _read(self, numbered: tuple[int, ImageRecord]) -> None:
        index, record = numbered
        pixels = torch.from_numpy(read_image(record.source, expected_size=(record.width, record.height)))
        self[index].copy_(pixels.permute(2, 0, 1))

    def __len__(self) -> int:
        return len(self._sides)

    def __getitem__(self, index: int) -> Tensor:
        """Return an image, uint8 [3, H, W]; it is not to be changed."""
        return self._bytes[self._ends[index] : self._ends[index + 1]].view(3, *self._sides[index])


def fits_in_memory(records: Sequence[ImageRecord]) -> bool:
    """Whether the decoded images of some records take at most 1 GB and at most a tenth of the free memory."""
    free = free_megabytes()
    wanted = sum(3 * record.height * record.width for record in records) / 1e6
    return free is not None and wanted <= min(UNASKED_SHARE * free, UNASKED_MEGABYTES)


def free_megabytes() -> float | None:
    """Return how much memory can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024 / 1e6
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (AttributeError, OSError, ValueError):
        return None
