"""One scene: a few digits in ink on a crop of a photograph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchghm.data.scenes.scene_sources import Digits

# Objects in a scene (fewer where no place is free), and their longer side as a fraction of the scene's shorter side.
FEWEST, MOST = 4, 10
SMALLEST, LARGEST = 0.22, 0.45
# How much rarer the last class is than the first.
IMBALANCE = 10.0
# Objects may touch, but each stays readable: the largest part of an object that another one may cover.
LARGEST_OVERLAP = 0.1
# Ink this thin or thinner is the background showing through, and outside the box.
VISIBLE = 0.3


class Scene(NamedTuple):
    """A drawn scene.

    Attributes:
        image: RGB, uint8 `[height, width, 3]`.
        boxes: int64 `[n, 4]`, x1, y1, x2, y2 in pixels, tight around the ink.
        labels: int64 `[n]`, the digit.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    labels: NDArray[np.int64]


def draw_scene(
    rng: np.random.Generator, image_size: tuple[int, int], photographs: list[Image.Image], digits: Digits
) -> Scene:
    """Draw a scene; all that is random comes from `rng`.

    Arguments:
        rng: a generator that nothing else uses.
        image_size: height and width in pixels.
        photographs: the backgrounds to choose from.
        digits: the scans to choose from, of all classes.
    """
    canvas = _background(rng, image_size, photographs)
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    for _ in range(rng.integers(FEWEST, MOST + 1)):
        label = int(rng.choice(10, p=class_frequencies()))
        alpha = _glyph(rng, digits.ink[rng.choice(np.flatnonzero(digits.labels == label))], min(image_size))
        corner = _free_place(rng, image_size, alpha.shape, boxes)
        if corner is None:
            continue
        y, x = corner
        height, width = alpha.shape
        patch = canvas[y : y + height, x : x + width]
        patch += alpha[:, :, None] * (_ink_colour(rng, patch) - patch)
        boxes.append((x, y, x + width, y + height))
        labels.append(label)
    image = np.clip(np.round(canvas), 0, 255).astype(np.uint8)
    return Scene(image, np.array(boxes, np.int64).reshape(-1, 4), np.array(labels, np.int64))


def class_frequencies() -> NDArray[np.float64]:
    """Return how often each digit is drawn: a long tail, 0 the commonest and 9 ten times rarer."""
    frequencies = IMBALANCE ** -(np.arange(10) / 9)
    return np.asarray(frequencies / frequencies.sum())


def _background(
    rng: np.random.Generator, image_size: tuple[int, int], photographs: list[Image.Image]
) -> NDArray[np.float32]:
    height, width = image_size
    photograph = photographs[rng.integers(len(photographs))]
    # The largest crop of the scene's proportions, or one down to half of it, from anywhere in the photograph.
    scale = min(photograph.width / width, photograph.height / height) * rng.uniform(0.5, 1.0)
    crop_width, crop_height = scale * width, scale * height
    x = rng.uniform(0, photograph.width - crop_width)
    y = rng.uniform(0, photograph.height - crop_height)
    crop = photograph.resize((width, height), Image.Resampling.BOX, (x, y, x + crop_width, y + crop_height))
    pixels = np.asarray(crop, np.float32)
    return np.ascontiguousarray(pixels[:, ::-1] if rng.random() < 0.5 else pixels)


def _glyph(rng: np.random.Generator, ink: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return how much of the background the ink covers, `[h, w]` in 0..1, without empty margins."""
    longer = side * np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
    angle = rng.uniform(-12, 12)
    # The scan with a margin, so that smooth upscaling fades out and nothing is cut off by the rotation.
    scan = Image.fromarray(np.pad(ink, 2))
    grown = scan.resize((round(longer / 8 * scan.width),) * 2, Image.Resampling.BICUBIC)
    turned = np.asarray(grown.rotate(angle, Image.Resampling.BICUBIC))
    # Upscaling blurs the strokes; a steeper slope makes them strokes again.
    alpha = np.clip((turned - 0.2) / 0.5, 0, 1)
    rows, columns = (np.flatnonzero((alpha > VISIBLE).any(axis=axis)) for axis in (1, 0))
    tight = alpha[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(tight * rng.uniform(0.85, 1.0), np.float32)


def _free_place(
    rng: np.random.Generator,
    image_size: tuple[int, int],
    shape: tuple[int, ...],
    boxes: list[tuple[int, int, int, int]],
) -> tuple[int, int] | None:
    """Return the upper left corner (y, x) of a place that covers little of the boxes, None if none is found."""
    height, width = shape
    for _ in range(30):
        y = int(rng.integers(0, image_size[0] - height + 1))
        x = int(rng.integers(0, image_size[1] - width + 1))
        for x1, y1, x2, y2 in boxes:
            shared = max(0, min(x2, x + width) - max(x1, x)) * max(0, min(y2, y + height) - max(y1, y))
            if shared > LARGEST_OVERLAP * min(height * width, (x2 - x1) * (y2 - y1)):
                break
        else:
            return y, x
    return None


def _ink_colour(rng: np.random.Generator, patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a colour that can be told from the patch: dark on light, light on dark, with a tint."""
    brightness = float(patch.mean())
    lighter = brightness < 128
    room = 255 - brightness if lighter else brightness
    contrast = rng.uniform(0.8, 1.0) * room
    level = brightness + contrast if lighter else brightness - contrast
    return np.clip(level + rng.uniform(-30, 30, size=3), 0, 255).astype(np.float32)
