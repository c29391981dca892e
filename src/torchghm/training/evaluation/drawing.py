"""Boxes with their classes and scores, drawn on an image."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


def draw_boxes(
    pixels: NDArray[np.uint8], boxes: Sequence[Sequence[float]], labels: Sequence[int], texts: Sequence[str]
) -> Image.Image:
    """Return the image with boxes on it, each class in a colour of its own.

    Arguments:
        pixels: RGB [height, width, 3].
        boxes: x1, y1, x2, y2 in pixels.
        labels: class index of each box.
        texts: written at each box.
    """
    image = Image.fromarray(pixels)
    canvas = ImageDraw.Draw(image)
    width = max(1, round(max(image.size) / 400))
    font = ImageFont.load_default(size=max(10, round(max(image.size) / 45)))
    for (left, top, right, bottom), label, text in zip(boxes, labels, texts, strict=True):
        colour = class_colour(label)
        canvas.rectangle((left, top, right, bottom), outline=colour, width=width)
        x1, y1, x2, y2 = canvas.textbbox((left, top), text, font=font)
        # Above the box where there is room, else inside it.
        shift = (y2 - y1) + 2 if top > (y2 - y1) + 2 else 0
        canvas.rectangle((x1, y1 - shift, x2 + 1, y2 - shift), fill=colour)
        canvas.text((left, top - shift), text, fill="white", font=font)
    return image


def jpeg(image: Image.Image) -> bytes:
    """Return the content of a JPEG file. Pillow itself takes a part that a full disk has room for as the whole."""
    content = io.BytesIO()
    image.save(content, format="JPEG", quality=90)
    return content.getvalue()


def class_colour(label: int) -> tuple[int, int, int]:
    """Return a dark, saturated colour, as unlike those of the classes before it as may be."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618034 % 1.0, 0.85, 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)
