"""Whether the annotations are still those that a training saw."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from torchghm.data.records import Records

SHOWN = 5
"""Annotations that a message names."""


def annotation_digests(records: Records) -> Tensor:
    """Return a number for each annotation that another image, class or box would change, int64 [n]."""
    numbers = np.empty(len(records.labels), dtype=np.int64)
    for image, name in enumerate(records.names()):
        text = name.encode("utf-8", "surrogateescape")
        for row in range(int(records.offsets[image]), int(records.offsets[image + 1])):
            content = (
                text + records.boxes[row].tobytes() + bytes([int(records.crowd[row])]) + records.labels[row].tobytes()
            )
            numbers[row] = int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)
    return torch.from_numpy(numbers)


def check_same_annotations(records: Records, classes: Sequence[str], before: Tensor) -> None:
    """Refuse annotations that are not those of a training.

    Arguments:
        records: the training images now.
        classes: names of the labels.
        before: `annotation_digests` of then.

    Raises:
        ValueError: the annotations that differ are named.
    """
    now = annotation_digests(records)
    if torch.equal(now, before):
        return
    changed = np.flatnonzero(~np.isin(now.numpy(), before.numpy()))
    gone = int((~np.isin(before.numpy(), now.numpy())).sum())
    images = np.searchsorted(records.offsets, changed, side="right") - 1
    named = [
        f"{classes[int(records.labels[row])]} at {[round(float(side), 1) for side in records.boxes[row]]} in "
        f"{records.name(int(image))}"
        for row, image in list(zip(changed, images, strict=True))[:SHOWN]
    ]
    more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    new = f"; new or changed: {'; '.join(named)}{more}" if named else ""
    order = "; the images have another order" if not named and not gone else ""
    raise ValueError(
        f"the annotations are not those that the run was trained on: {len(before)} then and {len(now)} now, {gone} of "
        f"then are gone{new}{order}"
    )
