"""Records as a torch data set: images are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from torchghm.data.images import read_image
from torchghm.data.loading.image_cache import ImageCache
from torchghm.data.loading.mosaic import join_mosaic
from torchghm.data.records import ImageRecord, Records

Target = dict[str, Any]
Item = tuple[Tensor, Target]


class DetectionDataset(Dataset[Item]):
    """Images with their targets, as torchvision's detectors take them.

    An item is `(image, target)`. The image is RGB `[3, H, W]`, uint8 unless the transforms make it something
    else. The target has

    - `boxes`: float32 `[n, 4]`, x1, y1, x2, y2 in pixels of the image,
    - `labels`: int64 `[n]`, from 0 to the number of classes - 1,
    - `image_id`: int,
    - without `training` also `iscrowd`, int64 `[n]`, and `area`, float32 `[n]` in square pixels of the image:
      with these torchmetrics' `MeanAveragePrecision` counts as COCO does,
    - with `training` also `annotations`, int64 `[n]`, the place of each object among all of the records, image after
      image and crowds counted, and `frame_boxes`, float32 `[2, 4]`, the upper left half and the upper left quarter of
      the image, which follow it through the transforms beyond its border: they tell where in it a place was,
    - with `training`, where crowds are no objects, their boxes as `ignored_boxes`, float32 `[m, 4]`: regions that a
      harmonized detector takes neither for an object nor for background.

    A mosaic (see `torchghm.data.loading.mosaic`) has the `image_id` of its first image, and no `frame_boxes`.

    Arguments:
        records: `DetectionData.select(...)`, or any sequence of `ImageRecord`.
        classes: their names.
        transforms: called with image (`tv_tensors.Image`) and target (`tv_tensors.BoundingBoxes` in it), returns both;
            see `training_transforms` and `evaluation_transforms`.
        training: leave crowds out of the objects.
        mosaic: with `training`, the probability that an image is a mosaic of it and three others, drawn by torch's
            default generator; in [0, 1].
        cache: the images of the records, decoded already; None decodes an image each time.

    Raises:
        ImageError: (a `ValueError`, when an item is read) an image is missing, truncated, no image, too large, or of
            another size than its annotations were made for.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        classes: Sequence[str],
        transforms: Callable[[Tensor, Target], Item] | None = None,
        *,
        training: bool = False,
        mosaic: float = 0.0,
        cache: ImageCache | None = None,
    ) -> None:
        if cache is not None and len(cache) != len(records):
            raise ValueError(f"Expected argument `cache` to be of {len(records)} images, but got {len(cache)}")
        if not 0 <= mosaic <= float(training):
            allowed = "in [0, 1]" if training else "0 without `training`"
            raise ValueError(f"Expected argument `mosaic` to be {allowed}, but got {mosaic}")
        self.records = records
        self.classes = tuple(classes)
        self.transforms = transforms
        self.training = training
        self.mosaic = mosaic
        self.cache = cache
        if isinstance(records, Records):
            self._first = records.offsets
        elif training:
            self._first = np.cumsum([0, *(len(record.labels) for record in records)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Item:
        image, target = self._read(index)
        if self.mosaic and torch.rand(()) < self.mosaic:
            others = torch.randint(len(self), (3,)).tolist()
            centre = torch.empty(2).uniform_(0.25, 0.75).tolist()
            items = [(image, target), *map(self._read, others)]
            image, target = join_mosaic(items, centre, torch.rand(4, 2).tolist())
        elif self.cache is not None:
            image = tv_tensors.Image(image.clone())
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        # Plain tensors: the subclass has served, and is slower in a model and between processes.
        for key in ("boxes", "ignored_boxes", "frame_boxes"):
            if key in target:
                target[key] = target[key].as_subclass(Tensor)
        if not self.training:
            target["area"] = target["area"] * _areas(target["boxes"])
        return image.as_subclass(Tensor), target

    def _read(self, index: int) -> Item:
        """Return an image, which may be the cache's own, and its target before they are transformed."""
        record = self.records[index]
        image: Tensor
        if self.cache is not None:
            image = tv_tensors.Image(self.cache[index])
        else:
            pixels = torch.from_numpy(read_image(record.source, expected_size=(record.width, record.height)))
            image = tv_tensors.Image(pixels.permute(2, 0, 1).contiguous())
        kept = ~record.crowd if self.training else slice(None)
        boxes = torch.tensor(record.boxes[kept])
        target: Target = {
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(record.height, record.width)),
            "labels": torch.tensor(record.labels[kept]),
            "image_id": record.image_id,
        }
        if self.training:
            ignored = torch.tensor(record.boxes[record.crowd])
            target["ignored_boxes"] = tv_tensors.BoundingBoxes(
                ignored, format="XYXY", canvas_size=(record.height, record.width)
            )
            target["annotations"] = torch.from_numpy(int(self._first[index]) + np.flatnonzero(~record.crowd))
            sides = torch.tensor([0.0, 0.0, record.width, record.height])
            target["frame_boxes"] = tv_tensors.BoundingBoxes(
                torch.stack([sides / 2, sides / 4]),
                format="XYXY",
                canvas_size=(record.height, record.width),
                clamping_mode=None,
            )
        else:
            target["iscrowd"] = torch.tensor(record.crowd[kept], dtype=torch.int64)
            # A mask's area as a share of its box's follows the box through any transform.
            target["area"] = torch.tensor(record.area[kept]) / _areas(boxes)
        return image, target


def collate(batch: Sequence[Item]) -> tuple[list[Tensor], list[Target]]:
    """Return the images and the targets of a batch as two lists: images may differ in size."""
    return [image for image, _ in batch], [target for _, target in batch]


def _areas(boxes: Tensor) -> Tensor:
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]
