"""A data set and a recipe so small that a training takes seconds."""

from __future__ import annotations

from pathlib import Path

from tests.data.layouts import Sample, write_coco

from torchghm.training import Recipe

BOXES = ((4.0, 4.0, 40.0, 44.0), (20.0, 16.0, 60.0, 60.0), (30.0, 2.0, 62.0, 30.0))


def samples() -> tuple[Sample, ...]:
    splits = ["train"] * 5 + ["val"] * 2 + ["test"] * 2
    return tuple(
        Sample(f"{number}.png", split, BOXES[: 1 + number % 3], (0, 1, 2)[: 1 + number % 3], width=64, height=64)
        for number, split in enumerate(splits)
    )


def write_tiny_data(root: Path) -> Path:
    return write_coco(root, samples())


TINY = Recipe().with_values(
    {
        "data.image_size": [64, 64],
        "data.batch_size": 2,
        "data.workers": 0,
        "data.evaluate": "val,test",
        "loss.box": "ghmr",
        "model.anchor_sizes": [16, 32, 64, 128, 256],
        "trainer.epochs": 2,
        "trainer.accelerator": "cpu",
    }
)
