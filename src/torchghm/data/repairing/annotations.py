"""Annotations as the readers find them, and their conversion to records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchghm.data.assumptions import Assumptions
from torchghm.data.evidence.box_forms import doubts
from torchghm.data.images import ImageError, read_size
from torchghm.data.problems import Problem, Sample, common_place, examples
from torchghm.data.records import Records
from torchghm.data.repairing.annotation_columns import Columns, column
from torchghm.data.repairing.boxes import (
    below_a_pixel,
    clean_boxes,
    duplicates,
    in_order,
    known_region,
    to_corners,
    unnormalised,
)
from torchghm.data.shards.shard_members import Members
from torchghm.data.threads import in_threads


class Annotations(Columns):
    """Images and objects as a reader finds them, before boxes are judged.

    Arguments:
        root: the data folder.
        unit: what `reference` counts in the annotation files ("annotation id", "object", "line").
        boxes: what four numbers are in this layout: a form of `torchghm.data.assumptions.BOX_FORMS`, and "pixels" or
            "fractions" of the image's sides.
        assumptions: what the user says.

    Attributes:
        left_out: after `records`, bool `[images]`: images all of whose objects were dropped, of which nobody knows what
            there is to see.
    """

    def __init__(
        self, root: Path, unit: str, boxes: tuple[str, str] = ("xyxy", "pixels"), assumptions: Assumptions | None = None
    ) -> None:
        self.root = root
        self.unit = unit
        self.assumptions = assumptions or Assumptions()
        self.form, self.unit_of_boxes = self.assumptions.form(*boxes)
        super().__init__()
        self.left_out: NDArray[np.bool_] = np.zeros(0, bool)

    def records(self, problems: list[Problem], members: Members | None = None) -> Records:
        """Return the images with the boxes that can be used; what was dropped or repaired joins the problems.

        Arguments:
            problems: so far.
            members: places in tar shards, for images without files of their own, of which all sizes are known then.
        """
        sizes = column(self.sizes, np.int64).reshape(-1, 2)
        self._read_missing_sizes(sizes, problems)
        images, labels = column(self.images, np.int64), column(self.labels, np.int64)
        raw = column(self.coordinates, np.float64).reshape(-1, 4)
        crowd, areas = column(self.crowd, np.bool_), column(self.areas, np.float64)
        if self.assumptions.crowds == "objects":
            crowd[:] = False
        box_sizes = sizes[images]
        # An image that could not be read has no size; it is a problem already, its boxes are not.
        unknown = box_sizes[:, 0] == 0
        if self.assumptions.boxes is None:
            self._doubt(raw, box_sizes, labels, areas, unknown, images, problems)
        cleaned, lost, masked, dropped = self._clean(raw, box_sizes, images, labels, crowd, unknown, problems)
        crowd |= masked
        kept = np.flatnonzero(~dropped)
        kept = kept[np.argsort(images[kept], kind="stable")]
        self._leave_out(images, lost, images[kept][~crowd[kept]], problems)
        counts = np.bincount(images[kept], minlength=len(self.names))
        sides = cleaned[:, 2:] - cleaned[:, :2]
        believable = (areas > 0) & (areas <= box_sizes.prod(axis=1))
        return Records(
            self.root,
            self.names,
            widths=sizes[:, 0].copy(),
            heights=sizes[:, 1].copy(),
            image_ids=column(self.image_ids, np.int64),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            boxes=cleaned[kept],
            labels=labels[kept],
            crowd=crowd[kept],
            area=np.where(masked, 0, np.where(believable, areas, sides.prod(axis=1))).astype(np.float32)[kept],
            members=members,
            own_ids=self.own_ids,
        )

    def _clean(
        self,
        raw: NDArray[np.float64],
        box_sizes: NDArray[np.int64],
        images: NDArray[np.int64],
        labels: NDArray[np.int64],
        crowd: NDArray[np.bool_],
        unknown: NDArray[np.bool_],
        problems: list[Problem],
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the boxes clipped, and which objects are lost, which of these have a region, which are dropped."""
        strange = unnormalised(raw, self.unit_of_boxes)
        tiny = below_a_pixel(raw, self.unit_of_boxes, box_sizes) & (self.assumptions.boxes is None)
        strange |= tiny
        boxes, swapped = in_order(to_corners(raw, self.form, self.unit_of_boxes, box_sizes))
        cleaned, faults = clean_boxes(boxes, box_sizes[:, 0], box_sizes[:, 1])
        faults = {what: concerned & ~strange for what, concerned in faults.items()}
        lost = (faults["box-not-finite"] | faults["box-without-area"] | strange) & ~unknown
        again = duplicates(images, labels, crowd, boxes) & ~(lost | faults["box-outside"])
        faults["box-not-finite"][column(self.partly, np.int64)] = False  # reported already
        faults |= {
            "box-not-normalised": strange & ~tiny,
            "box-below-a-pixel": tiny,
            "corners-swapped": swapped & ~strange,
            "duplicate-object": again,
        }
        for what, concerned in faults.items():
            self._report(what, concerned & ~unknown, raw, boxes, images, problems)
        region, placed = known_region(boxes, box_sizes)
        masked = lost & placed & ~faults["box-without-area"] & ~tiny
        cleaned[masked] = region[masked]
        return cleaned, lost, masked, (lost & ~masked) | faults["box-outside"] | again | unknown

    def taken(self, images: Sequence[int]) -> list[int]:
        """Return those of these images that are not left out."""
        return [image for image in images if not self.left_out[image]]

    def remaining(self, records: Records) -> Records:
        """Return the images that are not left out."""
        return records.take(np.flatnonzero(~self.left_out)) if self.left_out.any() else records

    def _leave_out(
        self, images: NDArray[np.int64], lost: NDArray[np.bool_], kept: NDArray[np.int64], problems: list[Problem]
    ) -> None:
        count = len(self.names)
        missing = np.bincount(images[lost], minlength=count) + np.bincount(column(self.lost, np.int64), minlength=count)
        self.left_out = (missing > 0) & (np.bincount(kept, minlength=count) == 0)
        found = np.flatnonzero(self.left_out)
        if len(found):
            names = [self.names[index] for index in found]
            detail = f"{len(found)} images: {examples(names)}"
            problems.append(Problem(common_place(names), "image-left-out", detail, len(found), Sample(names[0])))

    def _doubt(
        self,
        raw: NDArray[np.float64],
        box_sizes: NDArray[np.int64],
        labels: NDArray[np.int64],
        areas: NDArray[np.float64],
        unknown: NDArray[np.bool_],
        images: NDArray[np.int64],
        problems: list[Problem],
    ) -> None:
        for doubt in doubts(raw, box_sizes, labels, np.where(unknown, 0, areas), self.form, self.unit_of_boxes):
            if any(problem.what == doubt.what and problem.file == self.sources[0] for problem in problems):
                continue  # the masks have shown it
            boxes = to_corners(raw, self.form, self.unit_of_boxes, box_sizes)
            self._report(doubt.what, doubt.boxes & ~unknown, raw, boxes, images, problems, f"{doubt.words}; ")

    def _read_missing_sizes(self, sizes: NDArray[np.int64], problems: list[Problem]) -> None:
        def size_or_error(index: int) -> tuple[int, int] | ImageError:
            try:
                return read_size(self.root / self.names[index])
            except ImageError as error:
                return error

        missing = [int(index) for index in np.flatnonzero(sizes[:, 0] == 0)]
        for index, size in zip(missing, in_threads(size_or_error, missing), strict=True):
            if isinstance(size, ImageError):
                problems.append(Problem(self.names[index], "unreadable-image", size.reason))
            else:
                sizes[index] = size

    def _report(
        self,
        what: str,
        concerned: NDArray[np.bool_],
        raw: NDArray[np.float64],
        boxes: NDArray[np.float64],
        images: NDArray[np.int64],
        problems: list[Problem],
        words: str = "",
    ) -> None:
        indices = np.flatnonzero(concerned)
        if not len(indices):
            return
        files = sorted({self.sources[image] for image in np.unique(images[indices])})

        def shown(index: int) -> str:
            box = f"{self.unit} {self.references[index]} [{', '.join(f'{x:.6g}' for x in raw[index])}]"
            return box if len(files) == 1 else f"{self.sources[images[index]]} {box}"

        texts = examples(shown(int(index)) for index in indices[:4])
        place = files[0] if len(files) == 1 else common_place(files)
        amount = f"{len(indices)}" if len(files) == 1 else f"{len(indices)} in {len(files)} files"
        corners = boxes[indices[0]]
        box = tuple(corners.tolist()) if np.isfinite(corners).all() else None
        sample = Sample(self.names[images[indices[0]]], box)
        problems.append(Problem(place, what, f"{words}{amount}: {texts}", len(indices), sample))
