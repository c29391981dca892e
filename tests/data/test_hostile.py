"""Broken files of all kinds: each ends in data that can be learned from, or in one error that says what is wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.layouts import write_coco, write_voc, write_yolo

from torchghm.data import DataError, ImageError, check_data, load_data, read_image

FILES = {
    "coco": (write_coco, "annotations/instances_train2017.json"),
    "voc": (write_voc, "Annotations/a.xml"),
    "voc list": (write_voc, "ImageSets/Main/train.txt"),
    "yolo": (write_yolo, "data.yaml"),
    "yolo labels": (write_yolo, "labels/train/a.txt"),
}
PIECES = [
    b"\0",
    b"\xff\xfe",
    b"NaN",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"null",
    b"[]",
    b"{}",
    b"../",
    b"/",
    b"'",
    b'"',
    b"<",
    b"&x;",
    b"\n",
    b"",
]


@st.composite
def damage(draw: st.DrawFn) -> list[tuple[float, float, bytes]]:
    """Places in a file, how much is cut out there, and what is put in instead."""
    piece = st.one_of(st.sampled_from(PIECES), st.binary(max_size=6))
    place = st.floats(0, 1, exclude_max=True)
    return draw(st.lists(st.tuples(place, st.floats(0, 0.1), piece), min_size=1, max_size=4))


def damaged(content: bytes, harm: list[tuple[float, float, bytes]]) -> bytes:
    for place, cut, piece in harm:
        start = int(place * len(content))
        content = content[:start] + piece + content[start + int(cut * len(content)) :]
    return content


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(harm=damage())
def test_damaged_annotations(kind, harm):
    write, name = FILES[kind]
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder, "data"))
        file = root / name
        file.write_bytes(damaged(file.read_bytes(), harm))
        check = check_data(root, open_images=False)
        if not check.usable:
            assert all(problem.file and problem.detail for problem in check.problems)
            with pytest.raises(DataError):
                load_data(root)
            return
        data = load_data(root)
        for records in data.splits.values():
            for record in records:
                assert record.path.resolve().is_relative_to(root.resolve())
                assert (record.boxes[:, 2:] > record.boxes[:, :2]).all()
                assert (record.boxes >= 0).all()
                assert (record.boxes <= np.tile([record.width, record.height], 2)).all()
                assert (record.labels >= 0).all()
                assert (record.labels < len(data.classes)).all()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm", "jp2"])
@settings(max_examples=25, deadline=None)
@given(harm=damage())
def test_damaged_images(suffix, harm):
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x.{suffix}")
        pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        path.write_bytes(damaged(path.read_bytes(), harm))
        try:
            image = read_image(path)
        except ImageError as error:
            named = path.name in str(error)
        else:
            named = image.dtype == np.uint8 and image.shape == (*image.shape[:2], 3)
        assert named
