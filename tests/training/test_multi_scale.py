from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from tests.training.tiny import TINY

from torchghm.training import train
from torchghm.training.loop.module import DetectorModule
from torchghm.training.multi_scale import drawn_factor

RECIPE = TINY.with_values(
    {"data.multi_scale": [1.0, 2.0], "data.batch_size": 1, "model.pyramid_channels": 32, "trainer.epochs": 2}
)


class Measuring(DetectorModule):
    """Notes the size that images and boxes are scaled to, in training and in evaluation."""

    sizes: ClassVar[list[tuple[bool, int]]] = []
    stops_before: int | None = None

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.detector.transform.register_forward_hook(self.measure)

    def measure(self, transform, arguments, output):
        images, targets = output
        height, _ = images.image_sizes[0]
        self.sizes.append((self.training, height))
        if self.training:  # 64 pixels before
            torch.testing.assert_close(targets[0]["boxes"], arguments[1][0]["boxes"] * (height / 64))

    def training_step(self, batch, batch_idx):
        if self.global_step == self.stops_before:
            raise KeyboardInterrupt
        return super().training_step(batch, batch_idx)


def test_a_step_has_a_size_of_its_own_also_after_an_interruption(tiny_data, run_path, monkeypatch):
    monkeypatch.setattr("torchghm.training.run.DetectorModule", Measuring)
    monkeypatch.setattr(Measuring, "sizes", [])
    monkeypatch.setattr(Measuring, "stops_before", 7)
    recipe = RECIPE.with_values({"trainer.checkpoint_steps": 1})
    with pytest.raises(KeyboardInterrupt):
        train(tiny_data, recipe=recipe, out=run_path, progress=False)
    monkeypatch.setattr(Measuring, "stops_before", None)
    train(tiny_data, out=run_path, resume=True, progress=False)
    training = [size for in_training, size in Measuring.sizes if in_training]
    steps = range(10)
    assert training == [round(64 * drawn_factor((1.0, 2.0), 0, step)) for step in steps]
    assert len(set(training)) > 5
    assert {size for in_training, size in Measuring.sizes if not in_training} == {64}


@pytest.mark.parametrize("value", [[1.5, 0.5], [0, 1], [0.5], 1.0])
def test_other_factors_are_refused(value):
    with pytest.raises(ValueError, match=r"data\.multi_scale"):
        TINY.with_values({"data.multi_scale": value})


def test_a_detector_of_one_size_has_none():
    with pytest.raises(
        ValueError, match=r"Expected `data\.multi_scale` to be null for ssd300, .* but got \[0\.5, 1\.5\]"
    ):
        TINY.with_values({"model.detector": "ssd300", "loss.cls": "ce", "data.multi_scale": [0.5, 1.5]})
