"""Which files COCO's `file_name` may stand for."""

from __future__ import annotations

import os
import unicodedata

import pytest
from tests.data.layouts import SAMPLES, Sample, write_coco, write_exported_coco, write_image

from torchghm.data import DataError, load_data


def test_images_are_found_in_subfolders_and_under_the_root(tmp_path):
    names = ("deep/er/a.png", "train2017/b.png", "../train2017/c.png", "./b.png")
    images = [
        {"id": number, "file_name": name, "width": 40, "height": 30} for number, name in enumerate(names, start=1)
    ]
    root = write_coco(tmp_path / "data", images=images)
    write_image(root / "train2017" / "deep" / "er" / "a.png")
    data = load_data(root)
    names = ["train2017/deep/er/a.png", "train2017/b.png", "train2017/c.png"]
    assert data.splits["train"].names() == names  # of which the second is listed again
    assert [problem.what for problem in data.problems] == ["repeated-image", "unlisted-image"]


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("stated", ["NFC", "NFD"])
def test_names_beyond_ascii(tmp_path, stored, stated):
    name = "Zelle \u00e4\u00f6 \u7d30\u80de \U0001f9a0.png"
    samples = (Sample(unicodedata.normalize(stated, name), "train", ((1, 1, 5, 5),), (0,)), *SAMPLES[3:])
    root = write_coco(tmp_path / "data", samples)
    next((root / "train2017").iterdir()).rename(root / "train2017" / unicodedata.normalize(stored, name))
    record = load_data(root).splits["train"][0]
    assert record.path.is_file()
    assert len(record.boxes) == 1


def test_symbolic_links_may_stay_in_the_folder_but_not_leave_it(tmp_path):
    root = write_coco(tmp_path / "data")
    image = root / "train2017" / "a.png"
    image.rename(root / "stored.png")
    image.symlink_to(root / "stored.png")
    assert len(load_data(root).splits["train"]) == 3
    image.unlink()
    write_image(tmp_path / "outside.png")
    image.symlink_to(tmp_path / "outside.png")
    with pytest.raises(DataError, match=r"path-outside: 1 .*'train2017/a\.png' is a symbolic link"):
        load_data(root)


def test_folders_and_annotation_files_that_link_out_are_refused(tmp_path):
    root, other = write_coco(tmp_path / "data"), write_coco(tmp_path / "other")
    (root / "train2017").rename(tmp_path / "elsewhere")
    (root / "train2017").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="path-outside"):
        load_data(root)
    file = other / "annotations" / "instances_train2017.json"
    file.rename(tmp_path / "instances.json")
    file.symlink_to(tmp_path / "instances.json")
    with pytest.raises(DataError, match=r"instances_train2017\.json: path-outside"):
        load_data(other)


def test_a_link_to_the_data_folder_itself_is_followed(tmp_path):
    write_coco(tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert len(load_data(tmp_path / "link").splits["train"]) == 3


def test_a_pipe_in_place_of_an_image_does_not_hang(tmp_path):
    root = write_coco(tmp_path / "data")
    (root / "train2017" / "a.png").unlink()
    os.mkfifo(root / "train2017" / "a.png")
    with pytest.raises(DataError, match=r"missing-image.*a\.png"):
        load_data(root)


def test_two_years_of_a_split_keep_their_names(tmp_path):
    root = write_coco(tmp_path / "data", SAMPLES[:3], year="2014")
    write_coco(tmp_path / "more", SAMPLES[:4])
    for file in ("annotations/instances_train2017.json", "annotations/instances_val2017.json", "train2017", "val2017"):
        (tmp_path / "more" / file).rename(root / file)
    assert list(load_data(root).splits) == ["train2014", "train2017", "val2017"]


def test_a_folder_with_one_exported_file_is_one_split(tmp_path):
    root = write_exported_coco(tmp_path / "data", (*SAMPLES[:3], Sample("z.png", "train")))
    data = load_data(root / "train")
    assert {split: len(records) for split, records in data.splits.items()} == {"train": 2, "val": 1, "test": 1}
