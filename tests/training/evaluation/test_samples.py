"""Evaluation images with labels and predictions, beside their list."""

import pytest
import torch

from torchghm.atomic_files import WriteError
from torchghm.data import load_data
from torchghm.training.evaluation.samples import write_samples
from torchghm.training.loop.average_precision import SeenImage
from torchghm.training.run_folder import RunFolder


def test_a_picture_that_has_no_room_is_named(tiny_data, tmp_path, no_file_beyond):
    data = load_data(tiny_data)
    records = data.select("val")
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)}
    images = [SeenImage(nothing, {})] * len(records)
    with no_file_beyond(100), pytest.raises(WriteError, match=r"samples/0\.jpg': File too large"):
        write_samples(RunFolder(tmp_path).samples, records, images, data.classes)
    assert list((tmp_path / "samples").iterdir()) == []
