from __future__ import annotations

import pytest

from torchghm.data.splitting.split_names import (
    is_of_runs,
    is_part,
    is_split,
    is_within,
    split_of,
    split_of_list,
    split_of_path,
    split_of_place,
)


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


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.txt", "train"),
        ("VAL_list.txt", "val"),
        ("list_test.txt", "test"),
        ("dog_train.txt", None),
        ("a.txt", None),
    ],
)
def test_the_split_of_a_list(name, split):
    assert split_of_list(name) == split


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


@pytest.mark.parametrize("part", ["train2017", "val_images", "Test Set", "VALID", "obj_train_data"])
def test_folders_that_are_called_after_a_split(part):
    assert is_split(part)


@pytest.mark.parametrize("part", ["test_tubes", "images", "dataset", "train_val", "training shoes", ""])
def test_folders_that_are_called_otherwise(part):
    assert not is_split(part)


@pytest.mark.parametrize(
    "place", ["", "images", "train/day 2", "Annotations/DET/train", "data/train/cam1/x", "images/birds"]
)
def test_folders_that_lie_below_those_of_a_data_set(place):
    assert is_part(place)


@pytest.mark.parametrize("place", ["birds", "data/birds", "birds/images", "train/runs/detect", "images/@eaDir/a.jpg"])
def test_folders_that_do_not(place):
    assert not is_part(place)


def test_free_names_tell_no_split():
    assert split_of_place("train/test day") == "train"
    assert split_of_place("Annotations/day 1") is None


@pytest.mark.parametrize(
    ("path", "told"),
    [("runs/detect/exp", True), ("labels/Predictions", True), ("images/@eaDir", True), ("images/runs_2", False)],
)
def test_folders_of_what_a_detector_found(path, told):
    assert is_of_runs(path) is told
    assert not (told and is_part(path))
