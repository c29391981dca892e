"""Images a second that one process reads and augments: `torchghm train`'s loader and Ultralytics', on the same folder.

python -m benchmarks.hosts.loading DIR
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.measure import processor
from torchghm.data import load_data
from torchghm.training.loop.datamodule import DetectionDataModule
from torchghm.training.recipes.files import load_recipe

IMAGES, WARM_UP = 200, 20
OURS: dict[str, dict[str, Any]] = {
    "left-right flips": {},
    "flips, mosaics, zoom, colours": {"data.mosaic": 1.0, "data.scale_jitter": [0.5, 1.5], "data.colour_jitter": 0.4},
}
THEIRS: dict[str, dict[str, float]] = {
    "left-right flips": dict.fromkeys(("mosaic", "hsv_h", "hsv_s", "hsv_v", "scale", "translate"), 0.0),
    "flips, mosaics, zoom, colours": {},
}


def images_a_second(item: Any, images: int) -> float:
    """Return how many items a second of processor time gives; the first ones are not counted."""
    for index in range(min(images, WARM_UP)):
        item(index)
    count, started = min(images, IMAGES), time.process_time()
    for index in range(count):
        item(index)
    return count / (time.process_time() - started)


def ours(folder: Path, values: dict[str, Any]) -> float:
    """Return the rate of `torchghm train`'s training images."""
    module = DetectionDataModule(load_data(folder), load_recipe("finetune", values))
    samples = module.train_samples()
    return images_a_second(lambda index: samples[0, index], len(module.train_records))


def theirs(folder: Path, overrides: dict[str, Any]) -> float:
    """Return the rate of Ultralytics' training images, scaled into 640 x 640."""
    os.environ["YOLO_OFFLINE"] = "true"
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(next(folder.glob("*.yaml"))))
    settings = get_cfg(overrides={"imgsz": 640, "task": "detect", "rect": False, **overrides})
    dataset = build_yolo_dataset(settings, data["train"], 4, data, mode="train", rect=False, stride=32)
    return images_a_second(dataset.__getitem__, len(dataset))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts.loading", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a data set in YOLO's layout, with its YAML file")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    rows = []
    for name in OURS:
        for kept, cache in (("", None), (", decoded images in memory", "ram")):
            rates = ours(folder, {**OURS[name], "data.cache": cache}), theirs(folder, {**THEIRS[name], "cache": cache})
            rows.append(f"| {name}{kept} | {rates[0]:.0f} | {rates[1]:.0f} |")
    print(f"\n{processor()}, one thread, images a second of processor time\n")
    print("| augmentation | torchghm | Ultralytics |\n|---|---:|---:|", *rows, sep="\n")


if __name__ == "__main__":
    main()
