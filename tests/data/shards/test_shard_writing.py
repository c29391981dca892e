from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts import SAMPLES, Sample, write_coco, write_voc, write_yolo
from tests.data.shards.same_data import assert_same, sharded

from torchghm.data import (
    check_data,
    load_data,
    write_shards,
)


def test_an_image_of_several_splits_is_stored_once(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\nc\nd\n")
    out = sharded(root, tmp_path / "shards")
    assert_same(load_data(out), load_data(root))
    assert sorted(path.name for path in out.iterdir()) == [
        "shards.json", "test-000000.tar", "test.jsonl", "train-000000.tar", "train.jsonl", "trainval.jsonl",
        "val-000000.tar", "val.jsonl",
    ]  # fmt: skip


def test_shards_of_shards_are_the_same_bytes(tmp_path):
    one = sharded(write_yolo(tmp_path / "data"), tmp_path / "one")
    two = sharded(one, tmp_path / "two")
    assert [path.name for path in sorted(one.iterdir())] == [path.name for path in sorted(two.iterdir())]
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def large_data(root: Path) -> Path:
    """Nine training images of some 0.4 MB."""
    samples = tuple(Sample(f"{n}.png", "train", ((1, 1, 9, 9 + n),), (0,), 400, 350) for n in range(9))
    write_coco(root, (*samples, *SAMPLES[3:]))
    rng = np.random.default_rng(0)
    for sample in samples:
        pixels = rng.integers(0, 256, (sample.height, sample.width, 3), np.uint8)
        Image.fromarray(pixels).save(root / "train2017" / sample.name, compress_level=0)
    return root


def test_a_shard_holds_no_more_than_its_size(tmp_path):
    root = large_data(tmp_path / "data")
    out = sharded(root, tmp_path / "shards", size=1)
    shards = sorted(out.glob("train-*.tar"))
    assert [shard.name for shard in shards] == [f"train-{number:06d}.tar" for number in range(5)]
    assert all(shard.stat().st_size < 2**20 for shard in shards)
    assert_same(load_data(out), load_data(root))
    assert check_data(out).problems == check_data(root).problems


def test_the_tars_are_webdatasets(tmp_path):
    """Samples are neighbours of one name up to the first point, whatever the images were called."""
    samples = (Sample("\u7532.\u866b.PNG", "train", ((1, 2, 11, 12),), (0,)), Sample("a.png", "train"), *SAMPLES[3:])
    out = sharded(write_coco(tmp_path / "data", samples), tmp_path / "shards")
    with tarfile.open(out / "train-000000.tar") as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [
            "000000000.png", "000000000.json", "000000001.png", "000000001.json",
        ]  # fmt: skip
        assert all(member.isreg() and member.mtime == 0 for member in members)
        assert json.load(tar.extractfile("000000000.json")) == {
            "name": "train2017/\u7532.\u866b.PNG", "image_id": 1, "width": 40, "height": 30,
            "boxes": [[1, 2, 11, 12]], "labels": [0], "crowd": [False], "area": [100],
        }  # fmt: skip
        with Image.open(tar.extractfile("000000001.png")) as image:
            assert image.size == (40, 30)
    assert json.loads((out / "shards.json").read_text())["classes"] == ["ant", "bee", "cow"]


def test_splits_of_odd_names_get_files_of_plain_ones(tmp_path):
    root = write_coco(tmp_path / "data")
    (root / "annotations" / "instances_test2017.json").rename(root / "annotations" / "instances_caf\u00e9 1.json")
    (root / "test2017").rename(root / "caf\u00e9 1")
    out = sharded(root, tmp_path / "shards")
    assert (out / "split2-000000.tar").is_file()
    assert_same(load_data(out), load_data(root))


def test_a_folder_of_shards_may_be_replaced_and_nothing_else(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    out = write_shards(data, tmp_path / "out" / "shards")
    with pytest.raises(FileExistsError, match="is not empty"):
        write_shards(data, out)
    before = (out / "train-000000.tar").stat().st_ino
    write_shards(data, out, overwrite=True)
    assert (out / "train-000000.tar").stat().st_ino != before
    with pytest.raises(FileExistsError, match=r"does not hold shards \(no shards\.json\)"):
        write_shards(data, data.root, overwrite=True)
    with pytest.raises(ValueError, match="`size` to be at least 1"):
        write_shards(data, tmp_path / "more", size=0)
    assert [path.name for path in out.parent.iterdir()] == ["shards"]


def test_an_image_that_is_gone_leaves_nothing_half_done(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    data.splits["val"][0].path.unlink()
    with pytest.raises(FileNotFoundError, match=r"d\.png"):
        write_shards(data, tmp_path / "out" / "shards")
    assert list((tmp_path / "out").iterdir()) == []
    data.splits["val"][0].path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"d\.png' has 0 bytes"):
        write_shards(data, tmp_path / "out" / "shards")
