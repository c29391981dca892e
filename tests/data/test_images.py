from __future__ import annotations

import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from torchghm.data import ImageError, read_image
from torchghm.data.images import SizeMismatchError, read_size

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# 3 wide, 2 high, and no two corners alike: every turn and mirror image shows.
CORNERS = np.array([[RED, GREEN, BLUE], [WHITE, (0, 0, 0), (9, 9, 9)]], np.uint8)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff"])
def test_rgb_is_read_as_it_is(tmp_path, suffix):
    path = save(tmp_path / f"x.{suffix}", Image.fromarray(CORNERS))
    np.testing.assert_array_equal(read_image(path), CORNERS)
    assert read_size(path) == (3, 2)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, CORNERS),
        (2, CORNERS[:, ::-1]),
        (3, CORNERS[::-1, ::-1]),
        (4, CORNERS[::-1]),
        (5, CORNERS.transpose(1, 0, 2)),
        (6, np.rot90(CORNERS, -1)),
        (7, CORNERS[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90(CORNERS)),
    ],
)
def test_exif_orientation_is_honoured(tmp_path, suffix, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"x.{suffix}", Image.fromarray(CORNERS), exif=exif, **options)
    np.testing.assert_array_equal(read_image(path), upright)
    assert read_size(path) == (upright.shape[1], upright.shape[0])


def test_exif_orientation_of_a_jpeg(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.zeros((16, 32, 3), np.uint8)
    halves[:, :16] = 255  # white on the left, so on top when turned clockwise
    turned = read_image(save(tmp_path / "x.jpg", Image.fromarray(halves), exif=exif, quality=95))
    assert turned.shape == (32, 16, 3)
    assert turned[:14].min() > 240
    assert turned[18:].max() < 15


@pytest.mark.parametrize("value", [0, 9, 77])
def test_orientations_that_do_not_exist_are_ignored(tmp_path, value):
    exif = Image.Exif()
    exif[0x0112] = value
    path = save(tmp_path / "x.png", Image.fromarray(CORNERS), exif=exif)
    np.testing.assert_array_equal(read_image(path), CORNERS)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_data_do_not_spoil_an_image(tmp_path):
    exif = b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff" + bytes(range(50))
    path = save(tmp_path / "x.jpg", Image.fromarray(np.full((8, 8, 3), 90, np.uint8)), exif=exif)
    np.testing.assert_allclose(read_image(path), 90, atol=3)


def test_greyscale_and_black_and_white(tmp_path):
    grey = np.array([[0, 100, 255]], np.uint8)
    for suffix in ("png", "pgm"):
        pixels = read_image(save(tmp_path / f"x.{suffix}", Image.fromarray(grey)))
        np.testing.assert_array_equal(pixels, np.stack([grey] * 3, axis=2))
    bits = read_image(save(tmp_path / "bits.png", Image.fromarray(grey).convert("1")))
    assert set(bits.ravel().tolist()) <= {0, 255}


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_scaled_by_their_whole_range(tmp_path, suffix):
    levels = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    pixels = read_image(save(tmp_path / f"x.{suffix}", Image.fromarray(levels)))
    assert pixels.shape == (1, 5, 3)
    assert pixels[0, :, 1].tolist() == [0, 0, 1, 128, 255]


def test_thirty_two_bits(tmp_path):
    small = save(tmp_path / "small.tiff", Image.fromarray(np.array([[0, 65535]], np.int32)))
    assert read_image(small)[0, :, 0].tolist() == [0, 255]
    large = save(tmp_path / "large.tiff", Image.fromarray(np.array([[0, 65536]], np.int32)))
    with pytest.raises(ImageError, match=r"large\.tiff.*32-bit pixels"):
        read_image(large)
    real = save(tmp_path / "real.tiff", Image.fromarray(np.array([[0.0, 1.0]], np.float32)))
    with pytest.raises(ImageError, match=r"real\.tiff.*floating-point pixels"):
        read_image(real)


def test_cmyk(tmp_path):
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for suffix in ("jpg", "tiff"):
        np.testing.assert_allclose(read_image(save(tmp_path / f"x.{suffix}", ink))[4, 4], RED, atol=4)


def test_palettes(tmp_path):
    for suffix in ("png", "gif"):
        image = Image.fromarray(CORNERS).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
        np.testing.assert_array_equal(read_image(save(tmp_path / f"x.{suffix}", image)), CORNERS)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))  # black, but nobody has ever seen it
    pixels = read_image(save(tmp_path / "x.png", image.convert(mode)))
    assert pixels[0, 1].tolist() == list(WHITE)
    assert pixels[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_of_animations_the_first_picture_is_taken(tmp_path, suffix):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"x.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options)
    assert read_image(path)[0, 0].tolist() == list(RED)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"])
def test_truncated_images_are_named(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    path = save(tmp_path / f"x.{suffix}", Image.fromarray(noise))
    content = path.read_bytes()
    for length in (len(content) // 2, 20, 4, 0):
        path.write_bytes(content[:length])
        with pytest.raises(ImageError, match=rf"x\.{suffix}'") as raised:
            read_image(path)
        assert raised.value.path == path


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>", b"%PDF-1.4\n"]
)
def test_what_is_no_image_is_named(tmp_path, content):  # fmt: skip
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    for read in (read_image, read_size):
        with pytest.raises(ImageError, match=r"x\.jpg'.*cannot"):
            read(path)


def test_missing_files_folders_and_pipes(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png'.*does not exist"):
        read_image(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(ImageError, match=rf"{name}'.*is not a file"):
            read_image(tmp_path / name)
    for name in ("a\0b.png", "x" * 5000):
        with pytest.raises(ImageError, match="cannot be read"):
            read_size(tmp_path / name)


def png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that states this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 20_000, 2**31 - 1])
def test_decompression_bombs_are_refused_before_they_are_decoded(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side))
    for read in (read_image, read_size):
        with pytest.raises(ImageError, match=r"bomb\.png'.*(limit|pixels)"):
            read(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_stands_where_another_package_has_lifted_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = tmp_path / "bomb.png"
    path.write_bytes(png(10_000, 10_000))
    with pytest.raises(ImageError, match=r"10000 x 10000 pixels, more than the limit 89478485"):
        read_image(path)


def test_another_size_than_annotated_is_refused(tmp_path):
    path = save(tmp_path / "x.png", Image.fromarray(CORNERS))
    assert read_image(path, expected_size=(3, 2)).shape == (2, 3, 3)
    with pytest.raises(SizeMismatchError, match=r"x\.png'.*is 3 x 2, but was annotated as 6 x 4"):
        read_image(path, expected_size=(6, 4))


def test_an_annotation_of_the_unturned_image_is_refused_with_a_hint(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    path = save(tmp_path / "x.png", Image.fromarray(CORNERS), exif=exif)
    with pytest.raises(SizeMismatchError, match=r"EXIF orientation \(8\)"):
        read_image(path, expected_size=(3, 2))


@pytest.mark.parametrize("kind", [ImageError, SizeMismatchError])
def test_errors_leave_a_worker_process_whole(kind):
    error = pickle.loads(pickle.dumps(kind("is\n gone", Path("x.png"))))
    assert type(error) is kind
    assert str(error) == "image 'x.png': is gone"
    assert (error.path, error.reason) == (Path("x.png"), "is gone")


def test_images_of_which_scaling_leaves_nothing(tmp_path):
    for size, fits in (((2000, 20), True), ((2001, 20), False), ((1, 101), False)):
        Image.new("RGB", size).save(tmp_path / "thin.png")
        if fits:
            assert read_image(tmp_path / "thin.png").shape == (20, 2000, 3)
            continue
        for read in (read_image, read_size):
            with pytest.raises(ImageError, match=rf"is {size[0]} x {size[1]}, more than 100 times"):
                read(tmp_path / "thin.png")
