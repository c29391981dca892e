"""Images that are unlike others or broken, and what becomes of a data set with one of them, whatever its format.

All of them take the place of the training image a.png, 40 x 30 pixels.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.data.hostile.outcomes import GOOD, Harm, Loads, Refused

PLACES = {"coco": "train2017/a.png", "voc": "JPEGImages/a.png", "yolo": "images/train/a.png"}
ORIENTATION = 0x0112

y, x = np.mgrid[:30, :40]
# No two corners alike: every turn and mirror image shows.
PICTURE = np.stack([y * 8, x * 6, np.where((x < 20) & (y < 15), 250, 20)], axis=2).astype(np.uint8)
GREY = np.repeat(PICTURE[:, :, :1], 3, axis=2)
FLAT = np.full((30, 40, 3), (200, 30, 60), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(picture: np.ndarray, **options: Any) -> bytes:
    return encoded(Image.fromarray(picture), **options)


def oriented(picture: np.ndarray, orientation: int, kind: str = "PNG") -> bytes:
    """A picture stored in such a way that this orientation turns it upright."""
    stored = {
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture, 1),
        7: picture[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(picture, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options: dict[str, Any] = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    return encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_that_states(width: int, height: int) -> bytes:
    """A PNG of a few bytes that states this size."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 99)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def with_chunk(kind: bytes, content: bytes) -> bytes:
    """The picture, with one more chunk before its pixels."""
    good = png(PICTURE)
    return good[:33] + chunk(kind, content) + good[33:]


def half_transparent() -> Image.Image:
    """The left half is seen, the right half lies black under full transparency."""
    image = np.zeros((30, 40, 4), np.uint8)
    image[:, :20] = (200, 30, 60, 255)
    return Image.fromarray(image)


def frames(kind: str) -> bytes:
    first, *others = (Image.new("RGB", (40, 30), colour) for colour in ((200, 30, 60), "lime", "blue"))
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(first, kind, save_all=True, append_images=others, **options)


HALF = np.where((x < 20)[:, :, None], FLAT, 255)
BITS = np.where(PICTURE[:, :, 2:] > 100, 255, 0).repeat(3, axis=2)
LEVELS = (PICTURE[:, :, 0].astype(np.uint16) << 8) + 7
UNLIKE_OTHERS: list[tuple[str, bytes, np.ndarray]] = [
    ("greyscale", png(PICTURE[:, :, 0]), GREY),
    ("16-bit greyscale", png(LEVELS), GREY),
    ("16-bit greyscale TIFF", encoded(Image.fromarray(LEVELS), "TIFF"), GREY),
    ("16-bit greyscale PGM", b"P5 40 30 65535\n" + LEVELS.astype(">u2").tobytes(), GREY),
    ("black and white", encoded(Image.fromarray(BITS[:, :, 0].astype(np.uint8)).convert("1")), BITS),
    ("palette", encoded(Image.fromarray(FLAT).convert("P", palette=Image.Palette.ADAPTIVE)), FLAT),
    ("CMYK JPEG called .png", encoded(Image.fromarray(FLAT).convert("CMYK"), "JPEG", quality=100), FLAT),
    ("CMYK TIFF", encoded(Image.fromarray(FLAT).convert("CMYK"), "TIFF"), FLAT),
    ("YCbCr TIFF", encoded(Image.fromarray(FLAT).convert("YCbCr"), "TIFF"), FLAT),
    ("transparency", encoded(half_transparent()), HALF),
    ("transparency in a palette", encoded(half_transparent().quantize(4)), HALF),
    ("animated GIF", frames("GIF"), FLAT),
    ("animated PNG", frames("PNG"), FLAT),
    ("animated WebP", frames("WEBP"), FLAT),
    ("TIFF of several pages", frames("TIFF"), FLAT),
    ("two pictures of a telephone (MPO)", frames("MPO"), FLAT),
    *((f"EXIF orientation {turn}", oriented(PICTURE, turn), PICTURE) for turn in range(2, 9)),
    ("EXIF orientation 6 of a JPEG", oriented(FLAT, 6, "JPEG"), FLAT),
    ("EXIF orientation 8 of a TIFF", oriented(PICTURE, 8, "TIFF"), PICTURE),
    ("broken EXIF data", with_chunk(b"eXIf", b"MM\x00\x2a\xff\xff\xff\xff" + bytes(50)), PICTURE),
    ("garbage after the end", png(PICTURE) + bytes(range(256)) * 20, PICTURE),
]

NOISE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
TRUNCATED = [
    ("PNG", png(NOISE), True),
    ("JPEG", encoded(Image.fromarray(NOISE), "JPEG"), False),
    ("BMP", encoded(Image.fromarray(NOISE), "BMP"), False),
    ("WebP", encoded(Image.fromarray(NOISE), "WEBP", lossless=True), True),
    ("TIFF", encoded(Image.fromarray(NOISE), "TIFF"), False),
]
MUCH_TEXT = zlib.compress(b"\0" * 2**27, 9)
# Name, bytes, words of the error, and whether it shows when the size is read.
BROKEN: list[tuple[str, bytes, str, bool]] = [
    *((f"truncated {kind}", data[: len(data) * 2 // 3], "cannot be read", first) for kind, data, first in TRUNCATED),
    ("damaged PNG", png(NOISE).replace(b"IDAT", b"IDAT\xff\xff"), "cannot be read", True),
    ("empty", b"", "cannot be recognised as an image", True),
    ("text", b"404 not found\n", "cannot be recognised as an image", True),
    ("EPS, which is a program", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 30\n", "cannot be recognised", True),
    ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"/>', "cannot be recognised", True),
    ("bomb of 10000 x 10000", png_that_states(10_000, 10_000), "limit", True),
    ("bomb of 20000 x 20000", png_that_states(20_000, 20_000), "limit|bomb|pixels", True),
    ("bomb of 2147483647 x 2147483647", png_that_states(2**31 - 1, 2**31 - 1), "limit|bomb|pixels", True),
    ("bomb of text", with_chunk(b"zTXt", b"x\0\0" + MUCH_TEXT), "cannot be read", True),
    ("floating-point pixels", encoded(Image.fromarray(np.zeros((30, 40), np.float32)), "TIFF"), "floating", False),
    ("32-bit pixels", encoded(Image.fromarray(np.full((30, 40), 65536, np.int32)), "TIFF"), "32-bit", False),
]


def in_place(data: bytes, place: str) -> Harm:
    def harm(root: Path) -> None:
        (root / place).write_bytes(data)

    return harm


def instead(make: Callable[[Path], object], place: str) -> Harm:
    """Something else of the image's name."""

    def harm(root: Path) -> None:
        (root / place).unlink()
        make(root / place)

    return harm


def link_within(path: Path) -> None:
    target = path.with_suffix(".kept")
    target.write_bytes(png(PICTURE))
    path.symlink_to(target)


def cases(layout: str) -> list[tuple[str, Harm, Loads | Refused]]:
    place = PLACES[layout]
    # In YOLO's format no size is stated: it is read from the image, with the annotations.
    sized = layout != "yolo"
    made: list[tuple[str, Harm, Loads | Refused]] = [
        (name, in_place(data, place), Loads(pixels={"a.png": pixels})) for name, data, pixels in UNLIKE_OTHERS
    ]
    made += [
        (name, in_place(data, place), Refused(place, "unreadable-image", words, opened=sized or not first))
        for name, data, words, first in BROKEN
    ]
    listed_in = {"coco": "annotations/instances_train2017.json", "voc": "Annotations/a.xml", "yolo": "data.yaml"}[
        layout
    ]
    made += [
        ("link within the folder", instead(link_within, place), Loads(pixels={"a.png": PICTURE})),
        ("link out of the folder", instead(lambda path: path.symlink_to(secret(path)), place),
         Refused(listed_in, "path-outside", "symbolic link that leads out")),
    ]  # fmt: skip
    if layout == "yolo":
        # Fractions of the upright image: the boxes are where they are seen.
        width, height, objects = GOOD["a.png"]
        turned = [
            (name, [box[0] * 30 / 40, box[1] * 40 / 30, box[2] * 30 / 40, box[3] * 40 / 30]) for name, box in objects
        ]
        made.append(("annotated as seen, not as stored", in_place(oriented(np.rot90(PICTURE), 6), place),
                     Loads({"a.png": (height, width, turned)}, pixels={"a.png": np.rot90(PICTURE)})))  # fmt: skip
    else:
        # A tool that ignored the orientation here has ignored it everywhere, and where sides are not exchanged
        # nobody can tell: no image of such data is turned on suspicion.
        made += [
            ("annotated as stored, not as seen", in_place(oriented(np.rot90(PICTURE), 6), place),
             Refused(place, "size-mismatch", r"annotated as 40 x 30; its EXIF orientation \(6\)", True)),
            ("another size", in_place(png(PICTURE[:20]), place),
             Refused(place, "size-mismatch", "is 40 x 20, but was annotated as 40 x 30", True)),
            ("pipe", instead(os.mkfifo, place), Refused(listed_in, "missing-image")),
            ("folder", instead(os.mkdir, place), Refused(listed_in, "missing-image")),
            ("link to nothing", instead(lambda path: path.symlink_to("gone"), place),
             Refused(listed_in, "missing-image")),
        ]  # fmt: skip
    return made


def secret(path: Path) -> Path:
    """The image beside the data folder."""
    return next(parent / "secret.png" for parent in path.parents if (parent / "secret.png").exists())
