"""Image files, of whatever kind, to upright RGB pixels."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

if TYPE_CHECKING:
    from torchghm.data.shards.shard_members import Member

# Only these decoders are run on data. Pillow knows more, and EPS among them starts another program.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".bmp", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif"),
    *(".tiff", ".webp"),
)
UNUSUAL = (".jfif", ".jpe")
"""Suffixes of JPEG files that some tools do not know."""
UNDECODED = (
    *(".arw", ".avif", ".cr2", ".dcm", ".dib", ".dng", ".exr", ".hdr", ".heic", ".heif", ".jxl", ".nef", ".psd"),
    *(".raw", ".svg", ".tga"),
)
"""Suffixes of images that are not decoded: convert them."""

PIXEL_LIMIT = 1024 * 1024 * 1024 // 4 // 3
"""Pillow's own limit against decompression bombs; it stands where another package has lifted Pillow's for everybody."""
THINNEST = 100
"""The largest ratio of the longer side to the shorter one."""
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(ValueError):
    """An image that cannot be used: `path` is the file, `reason` says why."""

    def __init__(self, reason: str, path: Path | None = None) -> None:
        if path is None:
            # A DataLoader's worker hands on its whole traceback as the message; the error is in the last line.
            message = reason.strip().splitlines()[-1].partition("Error: ")[2] or reason
        else:
            reason = " ".join(reason.split())
            message = f"image {str(path)!r}: {reason}"
        super().__init__(message)
        self.path = path
        self.reason = reason


class SizeMismatchError(ImageError):
    """An image of another size than its annotations were made for: its boxes would be wrong."""


def read_size(source: Path | Member) -> tuple[int, int]:
    """Return the width and height of the upright image, from its header alone unless it is a PNG.

    Raises:
        ImageError: the file is missing, no image, or larger than Pillow's limit against decompression bombs.
    """
    with _opened(source) as image:
        width, height = image.size
        return (height, width) if _orientation(image) >= 5 else (width, height)


def read_image(source: Path | Member, expected_size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return the image as upright RGB, uint8 `[height, width, 3]`.

    EXIF orientation is applied; greyscale, palette, CMYK and 16-bit images are converted (16 bits by their
    whole range); transparency is laid on white; of an animation the first picture is taken.

    Arguments:
        source: the file, or its place in a tar shard.
        expected_size: the width and height that the annotations were made for.

    Raises:
        ImageError: the file is missing, truncated, no image, of another size than expected, or larger than
            Pillow's limit against decompression bombs (`PIL.Image.MAX_IMAGE_PIXELS`, a number to raise or lower).
    """
    with _opened(source) as image:
        orientation = _orientation(image)
        stored_size = image.size
        image.load()
        rgb = _to_rgb(image)
        if orientation in _UPRIGHT:
            rgb = rgb.transpose(_UPRIGHT[orientation])
        pixels = np.array(rgb)
    size = (pixels.shape[1], pixels.shape[0])
    if expected_size is not None and size != expected_size:
        reason = f"is {size[0]} x {size[1]}, but was annotated as {expected_size[0]} x {expected_size[1]}"
        if expected_size == stored_size:
            reason += f"; its EXIF orientation ({orientation}) turns it: store it upright, or annotate it so"
        raise SizeMismatchError(reason, source if isinstance(source, Path) else source.path)
    return pixels


@contextmanager
def _opened(source: Path | Member) -> Iterator[Image.Image]:
    """Open an image; whatever goes wrong while it is used becomes one `ImageError` that names it."""
    path = source if isinstance(source, Path) else source.path
    try:
        # Opening a pipe would wait for ever.
        if isinstance(source, Path) and not stat.S_ISREG(path.stat().st_mode):
            raise ImageError("is not a file", path)
        file = source if isinstance(source, Path) else io.BytesIO(source.read())
        with Image.open(file, formats=FORMATS) as image:
            limit = Image.MAX_IMAGE_PIXELS or PIXEL_LIMIT
            if image.width * image.height > limit:
                raise ImageError(f"has {image.width} x {image.height} pixels, more than the limit {limit}", path)
            if max(image.size) > THINNEST * min(image.size):  # scaled to fit, nothing would be left of it
                raise ImageError(f"is {image.width} x {image.height}, more than {THINNEST} times as long as wide", path)
            yield image
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(
            "does not exist" if isinstance(source, Path) else f"does not exist at {source.base}", path
        ) from error
    # Ultralytics replaces Image.open by one that asks for another package where Pillow recognises nothing.
    except (UnidentifiedImageError, ImportError) as error:
        raise ImageError("cannot be recognised as an image", path) from error
    except MemoryError as error:
        raise ImageError("does not fit into memory", path) from error
    # Decoders raise what they like on broken data: OSError, SyntaxError, struct.error, zlib.error, IndexError...
    except Exception as error:
        raise ImageError(f"cannot be read: {error}" if str(error) else f"cannot be read ({error!r})", path) from error


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    if image.format == "PNG":
        image.load()  # `getexif` would do so unseen: orientation may stand behind the pixels, and these may be broken
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF data say nothing; the pixels are good all the same
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("has floating-point pixels; convert it to 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        levels = np.asarray(image)
        if levels.size and (int(levels.min()) < 0 or int(levels.max()) > 65535):
            raise ValueError("has 32-bit pixels; convert it to 8 or 16 bits")
        image = Image.fromarray((levels >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
