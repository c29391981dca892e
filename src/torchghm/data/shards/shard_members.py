"""Images in tar shards, read one by one from where an index says they are: no shard is ever read as a whole."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchghm.data.images import SUFFIXES

# A tar is made of blocks: a member's header is one, its content begins after it.
BLOCK = tarfile.BLOCKSIZE
LARGEST_IMAGE = 2**30
# A network fails now and then, and a training of days should not: seconds to wait before another try.
WAITS = (1.0, 5.0)


def member_name(key: int, image: str) -> str:
    """Return the name in a shard of the image with this key: "000000012.jpg".

    WebDataset takes what stands before the first point as the sample's name, and unpacking it is safe anywhere.
    """
    suffix = Path(image).suffix.lower()
    return f"{key:09d}{suffix if suffix in SUFFIXES else '.img'}"


@dataclass(frozen=True)
class Member:
    """One image in a shard.

    Attributes:
        base: the folder or the URL of the shards.
        shard: the tar file's name there.
        name: the member's.
        offset: where its content begins, in bytes.
        size: of its content, in bytes.
    """

    base: Path | str
    shard: str
    name: str
    offset: int
    size: int

    @property
    def path(self) -> Path:
        """The shard and the member, as one path for messages."""
        return Path(self.base if isinstance(self.base, Path) else "", self.shard, self.name)

    def read(self) -> bytes:
        """Return the content, when the shard holds there what the index says.

        Raises:
            ValueError: it holds something else, or ends before.
            OSError: it cannot be read.
        """
        found = self._bytes(self.offset - BLOCK, self.offset + self.size)
        if len(found) != BLOCK + self.size:
            raise ValueError(f"Expected {BLOCK + self.size} bytes of the shard, but got {len(found)}")
        try:
            header = tarfile.TarInfo.frombuf(found[:BLOCK], "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise ValueError(f"the shard holds no member at byte {self.offset - BLOCK}") from error
        if (header.name, header.size, header.isreg()) != (self.name, self.size, True):
            raise ValueError(f"the shard holds {header.name!r} of {header.size} bytes where the index says it is")
        return found[BLOCK:]

    def _bytes(self, start: int, end: int) -> bytes:
        if isinstance(self.base, Path):
            with (self.base / self.shard).open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        return _remote_bytes(f"{self.base.rstrip('/')}/{self.shard}", start, end)


class Members:
    """The places of a split's images: four numbers an image.

    Attributes:
        base: the folder or the URL of the shards.
        shards: names of the tar files, of all splits together.
        places: int64 `[images, 4]`: index of the shard, key, offset, size.
    """

    def __init__(self, base: Path | str, shards: tuple[str, ...], places: NDArray[np.int64]) -> None:
        self.base, self.shards, self.places = base, shards, places
        places.setflags(write=False)

    def member(self, index: int, image: str) -> Member:
        """Return the place of an image, of which the data set's name decides the suffix."""
        shard, key, offset, size = self.places[index].tolist()
        return Member(self.base, self.shards[shard], member_name(key, image), offset, size)

    def take(self, chosen: NDArray[np.int64]) -> Members:
        """Return those of the images at these positions."""
        return Members(self.base, self.shards, self.places[chosen])

    @staticmethod
    def join(parts: Sequence[Members]) -> Members:
        """Return those of all images of several splits of one data set."""
        return Members(parts[0].base, parts[0].shards, np.concatenate([part.places for part in parts]))


def _remote_bytes(url: str, start: int, end: int, waits: Sequence[float] = WAITS) -> bytes:
    from fsspec.core import url_to_fs

    files, path = url_to_fs(url)
    try:
        return bytes(files.cat_file(path, start=start, end=end))
    except FileNotFoundError:
        raise
    except Exception as error:  # every service has errors of its own
        if not waits:
            raise OSError(f"{url} cannot be read: {error!r}") from error
    time.sleep(waits[0])
    return _remote_bytes(url, start, end, waits[1:])
