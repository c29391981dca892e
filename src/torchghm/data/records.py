"""The in-memory form of a data set: a few arrays, however many images there are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from torchghm.data.shards.shard_members import Member, Members

_OF_IMAGES = ("widths", "heights", "image_ids")
_OF_OBJECTS = ("boxes", "labels", "crowd", "area")


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One image and its objects.

    Attributes:
        path: the image file; of an image in a tar shard, where it was before.
        width: of the upright image (EXIF orientation applied), in pixels.
        height: likewise.
        boxes: float32 `[n, 4]`, x1, y1, x2, y2 in pixels, inside the image and with an area.
        labels: int64 `[n]`, indices into the classes, from 0; there is no background class.
        crowd: bool `[n]`, regions that are not to be learned and not counted as misses (COCO's
            `iscrowd`, VOC's `difficult`, where a broken box may have been).
        area: float32 `[n]`, in square pixels: of COCO's mask where the file has it, else of the box; 0 of a region
            where an object may be whose box is broken.
        image_id: COCO's id, else a running number.
        member: the place in a tar shard, None for an image of its own file.
    """

    path: Path
    width: int
    height: int
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    area: NDArray[np.float32]
    image_id: int
    member: Member | None = None

    @property
    def source(self) -> Path | Member:
        """The source of the pixels, for `read_image`."""
        return self.path if self.member is None else self.member


class Records(Sequence[ImageRecord]):
    """The images of a split, as a sequence of `ImageRecord`.

    All boxes lie in one array, all names in one string of bytes: no Python object is kept for each image,
    so a large set stays small, and worker processes share it without copying.

    Attributes:
        root: the data folder.
        boxes: float32 `[all, 4]`, the boxes of all images one after another.
        labels: int64 `[all]`.
        crowd: bool `[all]`.
        area: float32 `[all]`.
        offsets: int64 `[images + 1]`; the objects of image i are `offsets[i]:offsets[i + 1]`.
        widths: int64 `[images]`.
        heights: int64 `[images]`.
        image_ids: int64 `[images]`.
        members: places in tar shards, None for images of their own files.
        own_ids: ids that are no numbers, or are written as text, by the image's name; None if there are none.
    """

    def __init__(
        self,
        root: Path,
        names: Iterable[str],
        *,
        widths: NDArray[np.int64],
        heights: NDArray[np.int64],
        image_ids: NDArray[np.int64],
        offsets: NDArray[np.int64],
        boxes: NDArray[np.float32],
        labels: NDArray[np.int64],
        crowd: NDArray[np.bool_],
        area: NDArray[np.float32],
        members: Members | None = None,
        own_ids: Mapping[str, int | str] | None = None,
    ) -> None:
        encoded = [os.fsencode(name) for name in names]
        self.root = root
        self._names = b"".join(encoded)
        self._name_offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        self.widths, self.heights, self.image_ids, self.offsets = widths, heights, image_ids, offsets
        self.boxes, self.labels, self.crowd, self.area = boxes, labels, crowd, area
        self.members = members
        self.own_ids = own_ids or None
        # A record's arrays are views: writing into one would silently change the data set.
        for array in (widths, heights, image_ids, offsets, boxes, labels, crowd, area):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.image_ids)

    @overload
    def __getitem__(self, index: int) -> ImageRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> ImageRecord | Records:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        i = range(len(self))[index]
        objects = slice(self.offsets[i], self.offsets[i + 1])
        return ImageRecord(
            path=self.root / self.name(i),
            width=int(self.widths[i]),
            height=int(self.heights[i]),
            boxes=self.boxes[objects],
            labels=self.labels[objects],
            crowd=self.crowd[objects],
            area=self.area[objects],
            image_id=int(self.image_ids[i]),
            member=None if self.members is None else self.members.member(i, self.name(i)),
        )

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Records({len(self)} images, {len(self.labels)} boxes)"

    def name(self, index: int) -> str:
        """Return the image's file name, relative to the root."""
        return os.fsdecode(self._names[self._name_offsets[index] : self._name_offsets[index + 1]])

    def names(self) -> list[str]:
        """Return the file names of all images, relative to the root."""
        ends = self._name_offsets.tolist()
        return [os.fsdecode(self._names[start:end]) for start, end in pairwise(ends)]

    def own_id(self, index: int) -> int | str:
        """Return the image's id as the data have it: COCO's may be text."""
        number = int(self.image_ids[index])
        return self.own_ids.get(self.name(index), number) if self.own_ids else number

    def take(self, indices: Iterable[int]) -> Records:
        """Return the images at these positions, in this order."""
        chosen = np.fromiter(indices, dtype=np.int64)
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        # Position of each chosen object: the start of its image, plus its place within the image.
        objects = np.repeat(self.offsets[chosen] - offsets[:-1], counts) + np.arange(offsets[-1])
        columns = {name: getattr(self, name)[chosen] for name in _OF_IMAGES}
        columns |= {name: getattr(self, name)[objects] for name in _OF_OBJECTS}
        members = None if self.members is None else self.members.take(chosen)
        names = (self.name(int(i)) for i in chosen)
        return Records(self.root, names, offsets=offsets, members=members, own_ids=self.own_ids, **columns)

    @staticmethod
    def join(parts: Sequence[Records]) -> Records:
        """Return all images of several splits of one data set, each image once.

        Ids that collide (every split may count from 0) are replaced by running numbers.
        """
        names = [name for part in parts for name in part.names()]
        ends = np.cumsum([0, *(len(part.labels) for part in parts)])
        offsets = [part.offsets[:-1] + end for part, end in zip(parts, ends, strict=False)]
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_OF_IMAGES, *_OF_OBJECTS)
        }
        places = [part.members for part in parts if part.members is not None]
        joined = Records(
            parts[0].root,
            names,
            offsets=np.concatenate([*offsets, ends[-1:]]),
            members=Members.join(places) if places else None,
            own_ids={name: own_id for part in parts for name, own_id in (part.own_ids or {}).items()},
            **columns,
        )
        first = {name: index for index, name in reversed(list(enumerate(names)))}
        joined = joined.take(sorted(first.values()))
        if len(np.unique(joined.image_ids)) < len(joined):
            joined.image_ids = np.arange(1, len(joined) + 1, dtype=np.int64)
        return joined
