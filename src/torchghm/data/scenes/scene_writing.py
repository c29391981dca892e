"""The embedded data set: real handwritten digits on real photographs, in COCO's layout."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from torchghm.data.label_noise import add_label_noise
from torchghm.data.new_folder import new_folder
from torchghm.data.scenes.scene_drawing import draw_scene
from torchghm.data.scenes.scene_sources import CLASSES, Digits, digits, photographs
from torchghm.data.threads import in_threads
from torchghm.data.writing.coco_writing import write_json
from torchghm.data.writing.noisy_data import NOISE_FILE

SETTINGS_FILE = "scenes.json"
JPEG_QUALITY = 92

# Which of the scans go to train, val and test.
SCANS = (0.7, 0.1, 0.2)

# Boxes x1, y1, x2, y2 and labels of one scene.
Objects = tuple[list[list[int]], list[int]]


def write_scenes(
    root: str | os.PathLike[str],
    *,
    images: int = 500,
    seed: int = 0,
    label_noise: float = 0.0,
    image_size: tuple[int, int] = (160, 213),
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Make a detection data set from what scikit-learn and scikit-image ship; nothing is downloaded.

    Handwritten digits (8 x 8 scans, upscaled, turned a little, in ink of any colour) lie on crops of photographs,
    four to ten in an image, their longer side 0.22 to 0.45 of the image's shorter one. "zero" is ten times as
    frequent as "nine". Train, val and test share photographs, but no scan of a digit.

    Arguments:
        root: the folder to make; there must be none, or an empty one.
        images: how many, in all splits together.
        seed: the same seed gives the same bytes, with any number of workers.
        label_noise: wrong labels as a fraction of the training labels, in [0, 1]: a quarter each of wrong classes,
            shifted, missing and spurious boxes. The images do not change. `label_noise.json` lists each.
        image_size: height and width in pixels, from 80 to 4000.
        val_fraction: of the images, in [0, 1).
        test_fraction: likewise.
        workers: threads; as many as processors if None.
        overwrite: replace the scenes that the folder holds. A folder of anything else is never replaced.

    Returns:
        The folder: `annotations/instances_<split>.json`, and the images in `train/`, `val/` and `test/`.

    Raises:
        ValueError: an argument out of its range.
        FileExistsError: the folder is there and may not be replaced.

    Examples:
        >>> write_scenes("scenes", images=20, label_noise=0.1)  # doctest: +SKIP
        PosixPath('scenes')
    """
    root = Path(root)
    counts = _counts(images, val_fraction, test_fraction)
    if not 0 <= label_noise <= 1:
        raise ValueError(f"Expected argument `label_noise` to be in [0, 1], but got {label_noise}")
    if not all(80 <= side <= 4000 for side in image_size):
        raise ValueError(f"Expected argument `image_size` to be 80 to 4000 pixels high and wide, but got {image_size}")
    if seed < 0:
        raise ValueError(f"Expected argument `seed` to be at least 0, but got {seed}")
    with new_folder(root, SETTINGS_FILE, "scenes", overwrite=overwrite) as made:
        settings = {"images": images, "seed": seed, "label_noise": label_noise, "image_size": list(image_size),
                    "val_fraction": val_fraction, "test_fraction": test_fraction}  # fmt: skip
        write_json(made / SETTINGS_FILE, settings)
        _write_splits(made, counts, seed, label_noise, image_size, workers)
    return root


def _counts(images: int, val_fraction: float, test_fraction: float) -> dict[str, int]:
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"Expected argument `{name}` to be at least 0 and below 1, but got {fraction}")
    val, test = round(images * val_fraction), round(images * test_fraction)
    if images - val - test < 1:
        raise ValueError(
            f"Expected argument `images` to leave some for training, but got {images}, of which {val} for val and "
            f"{test} for test"
        )
    return {"train": images - val - test, "val": val, "test": test}


def _write_splits(
    root: Path, counts: dict[str, int], seed: int, label_noise: float, image_size: tuple[int, int], workers: int | None
) -> None:
    backgrounds = photographs()
    splits = {}
    first_image, first_annotation = 1, 1
    for number, (split, scans) in enumerate(zip(counts, digits(SCANS, seed), strict=True)):
        if counts[split] == 0:
            continue
        draw = partial(_write_scene, root / split, (seed, number), image_size, backgrounds, scans)
        (root / split).mkdir()
        scenes = list(in_threads(draw, range(counts[split]), workers))
        splits[split] = _instances(scenes, image_size, first_image, first_annotation)
        first_image += len(scenes)
        first_annotation += len(splits[split]["annotations"])
    if label_noise > 0:
        splits["train"], changes = add_label_noise(splits["train"], label_noise, seed, first_annotation)
        write_json(root / NOISE_FILE, {"rate": label_noise, "changes": changes})
    (root / "annotations").mkdir()
    for split, instances in splits.items():
        write_json(root / "annotations" / f"instances_{split}.json", instances)


def _write_scene(
    folder: Path,
    seeds: tuple[int, int],
    image_size: tuple[int, int],
    backgrounds: list[Image.Image],
    scans: Digits,
    index: int,
) -> Objects:
    # Every scene has a generator of its own, so it is the same whoever draws it, and when.
    scene = draw_scene(np.random.default_rng([*seeds, index]), image_size, backgrounds, scans)
    Image.fromarray(scene.image).save(folder / _file_name(index), quality=JPEG_QUALITY)
    return scene.boxes.tolist(), scene.labels.tolist()


def _file_name(index: int) -> str:
    return f"{index:06d}.jpg"


def _instances(
    scenes: list[Objects], image_size: tuple[int, int], first_image: int, first_annotation: int
) -> dict[str, Any]:
    height, width = image_size
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, (boxes, labels) in enumerate(scenes):
        image_id = first_image + index
        images.append({"id": image_id, "file_name": _file_name(index), "width": width, "height": height})
        for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
            annotations.append(
                {
                    "id": first_annotation + len(annotations),
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)]
    return {"images": images, "annotations": annotations, "categories": categories}
