"""Processes that load images leave the machine to the one that trains."""

from __future__ import annotations

import signal
import sys

import pytest
import torch
from tests.training.tiny import TINY

from torchghm.data import load_data
from torchghm.data.loading import image_cache
from torchghm.training import train
from torchghm.training.loop.datamodule import DetectionDataModule, leave_interrupts_to_the_parent


def test_images_in_memory_train_to_the_same_bits(tiny_data, tmp_path, caplog):
    weights = []
    for cache in (None, "ram"):
        recipe = TINY.with_values({"data.cache": cache, "trainer.max_steps": 2})
        train(tiny_data, recipe=recipe, out=tmp_path / str(cache), progress=False)
        saved = torch.load(tmp_path / str(cache) / "checkpoints" / "last.ckpt", weights_only=True)
        weights.append(saved["state_dict"])
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    said = [record.getMessage() for record in caplog.records if "data.cache" in record.getMessage()]
    assert [line.split(" take ")[0] for line in sorted(said)] == [
        "data.cache: 2 validation images",
        "data.cache: 5 training images",
    ]


def test_mosaics_keep_the_images_of_a_small_set_unless_that_is_refused(tiny_data, monkeypatch):
    def kept(**values):
        recipe = TINY.with_values({f"data.{name}": value for name, value in values.items()})
        module = DetectionDataModule(load_data(tiny_data), recipe)
        return module.train_samples().dataset.cache

    assert kept() is None
    images = kept(mosaic=0.5)
    assert len(images) == 5
    assert kept(mosaic=0.5, cache=None) is None

    monkeypatch.setattr(image_cache, "free_megabytes", lambda: 9 * images.megabytes)
    assert kept(mosaic=0.5) is None
    assert len(kept(mosaic=0.5, cache="ram")) == 5

    monkeypatch.setattr(image_cache, "free_megabytes", lambda: 11 * images.megabytes)
    assert len(kept(mosaic=0.5)) == 5
    monkeypatch.setattr(image_cache, "UNASKED_MEGABYTES", 0.9 * images.megabytes)
    assert kept(mosaic=0.5) is None


def test_images_that_memory_does_not_hold_are_refused(tiny_data, monkeypatch):
    monkeypatch.setattr(image_cache, "free_megabytes", lambda: 0.01)
    module = DetectionDataModule(load_data(tiny_data), TINY.with_values({"data.cache": "ram"}))
    with pytest.raises(ValueError, match=r"data\.cache: Expected the images to take at most half"):
        module.val_dataloader()


@pytest.mark.parametrize(
    ("error", "said"), [(ConnectionResetError("gone"), ""), (EOFError(), ""), (OSError("disk"), "OSError: disk")]
)
def test_a_worker_says_nothing_of_a_parent_that_has_gone(error, said, monkeypatch, capsys):
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    try:
        leave_interrupts_to_the_parent(0)
        sys.excepthook(type(error), error, None)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err.strip() == said
