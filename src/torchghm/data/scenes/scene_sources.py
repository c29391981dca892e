"""The real material of the scenes: photographs and handwritten digits that scikit-image and scikit-learn ship."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# Photographs inside the installed packages, so that nothing is downloaded. Pages of text and test charts, which
# ship as well, are left out: letters on them look like unlabelled digits.
_SCIKIT_IMAGE = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png",
    "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
_SCIKIT_LEARN = ("china.jpg", "flower.jpg")


def photographs() -> list[Image.Image]:
    """Return the photographs, RGB, in a fixed order."""
    folders = ((resources.files("skimage") / "data", _SCIKIT_IMAGE),
               (resources.files("sklearn") / "datasets" / "images", _SCIKIT_LEARN))  # fmt: skip
    images = []
    for folder, names in folders:
        for name in names:
            with (folder / name).open("rb") as file:
                images.append(Image.open(file).convert("RGB"))
    return images


class Digits(NamedTuple):
    """Scans of handwritten digits.

    Attributes:
        ink: float32 `[n, 8, 8]`, in 0..1.
        labels: int64 `[n]`, the digit.
    """

    ink: NDArray[np.float32]
    labels: NDArray[np.int64]


def digits(fractions: tuple[float, ...], seed: int) -> list[Digits]:
    """Return the 1797 scans, divided at random into disjoint parts of these fractions, class by class."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    ink = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    labels = labels.astype(np.int64)
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in fractions]
    ends = np.cumsum(fractions)
    for digit in range(10):
        order = rng.permutation(np.flatnonzero(labels == digit))
        cuts = np.round(ends[:-1] * len(order)).astype(int)
        for part, indices in zip(parts, np.split(order, cuts), strict=True):
            part.append(indices)
    return [Digits(ink[chosen], labels[chosen]) for chosen in map(np.concatenate, parts)]
