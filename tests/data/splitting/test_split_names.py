from __future__ import annotations

import pytest

from torchghm.data.splitting.split_names import is_within, split_of, split_of_path


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017", "train"), ("Train_annotations", "train"), ("VALID", "val"), ("dev", "val"),
        ("trainval", "trainval"), ("testing", "test"), ("result", None), ("train_val", None), ("retrain", None),
        ("obj_train_data", "train"), ("train-valid", None), ("", None),
    ],
)  # fmt: skip
def test_the_split_that_a_name_tells(name, split):
    assert split_of(name) == split


def test_the_last_folder_decides():
    assert split_of_path("train/images/val") == "val"
    assert split_of_path("train/images") == "train"
    assert split_of_path("images") is None


@pytest.mark.parametrize(
    "place", ["", "images/train2017", "Annotations", "train/labels", "obj_train_data", "train_images"]
)
def test_folders_of_one_data_set(place):
    assert is_within(place)


@pytest.mark.parametrize("place", ["birds", "VOC2007/Annotations", "images/birds", "2017", "one/two"])
def test_folders_of_another_data_set(place):
    assert not is_within(place)
