from __future__ import annotations

import re

import pytest
import torch
from tests.data.layouts import write_coco
from torch.multiprocessing import get_context
from torch.utils.data import DataLoader

from torchghm.data import ImageError, load_data, read_image
from torchghm.data.loading import image_cache
from torchghm.data.loading.image_cache import ImageCache, free_megabytes


@pytest.fixture
def records(tmp_path):
    return load_data(write_coco(tmp_path / "data")).splits["train"]


def test_every_image_once_three_bytes_a_pixel(records):
    cache = ImageCache(records)
    assert len(cache) == len(records) == 3
    assert cache.megabytes == sum(3 * record.width * record.height for record in records) / 1e6
    for index, record in enumerate(records):
        assert torch.equal(cache[index], torch.from_numpy(read_image(record.source)).permute(2, 0, 1))


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_processes_share_it(records, start):
    cache = ImageCache(records)
    loader = DataLoader(cache, batch_size=None, num_workers=1, multiprocessing_context=get_context(start))
    assert all(torch.equal(image, cache[index]) for index, image in enumerate(loader))


def test_more_than_half_of_the_free_memory_is_refused(records, monkeypatch):
    monkeypatch.setattr(image_cache, "free_megabytes", lambda: 0.02)
    with pytest.raises(ValueError, match=re.escape("at most half of the free memory of 0 MB, but got 3 images")):
        ImageCache(records)
    monkeypatch.setattr(image_cache, "free_megabytes", lambda: None)
    assert len(ImageCache(records)) == 3


def test_the_system_says_how_much_is_free():
    assert free_megabytes() > 1


def test_an_image_that_can_not_be_used_is_named(records):
    records[1].path.write_bytes(b"no image")
    with pytest.raises(ImageError, match=re.escape(str(records[1].path))):
        ImageCache(records)
