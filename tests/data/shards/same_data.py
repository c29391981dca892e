"""A data set as shards, and whether they hold the data of its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from torchghm.data import (
    DetectionData,
    DetectionDataset,
    load_data,
    write_shards,
)

COLUMNS = ("widths", "heights", "image_ids", "offsets", "boxes", "labels", "crowd", "area")


def sharded(root: Path, out: Path, **options: object) -> Path:
    return write_shards(load_data(root, val_fraction=0, test_fraction=0), out, **options)


def assert_same(shards: DetectionData, folder: DetectionData) -> None:
    """Assert equal classes, splits and problems, and of every image equal name, numbers and pixels."""
    assert shards.classes == folder.classes
    assert list(shards.splits) == list(folder.splits)
    for split, expected in folder.splits.items():
        records = shards.splits[split]
        assert records.names() == expected.names()
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(records, column), getattr(expected, column), column)
        items, expected_items = DetectionDataset(records, shards.classes), DetectionDataset(expected, folder.classes)
        for index in range(len(expected)):
            (image, target), (expected_image, expected_target) = items[index], expected_items[index]
            assert torch.equal(image, expected_image)
            assert list(target) == list(expected_target)
            assert all(np.array_equal(target[key], expected_target[key]) for key in target)
