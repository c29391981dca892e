from __future__ import annotations

from pathlib import Path

import pytest

from torchghm.data.problems import Problem
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.stated_splits import StatedSplits, by_folders


def records(*names):
    annotations = Annotations(Path("data"), "object")
    for number, name in enumerate(names, 1):
        annotations.add_image(name, "a.json", number, 10, 10)
    return annotations.records([])


def divided(*names, split="all"):
    problems: list[Problem] = []
    splits = by_folders({split: records(*names)}, problems)
    return {name: of_split.names() for name, of_split in splits.items()}, [problem.what for problem in problems]


def test_images_are_of_the_split_of_their_folder():
    assert divided("valid/1.jpg", "train/x/2.jpg", split="default") == (
        {"train": ["train/x/2.jpg"], "val": ["valid/1.jpg"]}, [],
    )  # fmt: skip


@pytest.mark.parametrize("split", ["train", "holdout"])
def test_a_split_with_a_name_is_kept(split):
    assert divided("val/1.jpg", "train/2.jpg", split=split)[0] == {split: ["val/1.jpg", "train/2.jpg"]}


@pytest.mark.parametrize(
    "names",
    [
        ("a/1.jpg", "2.jpg"),
        ("train/1.jpg", "2.jpg"),
        ("test_tubes/1.jpg", "2.jpg"),
        ("val2017/1.jpg", "val2017/2.jpg"),
        ("test/1.jpg", "test/x/2.jpg"),
    ],
)
def test_folders_that_do_not_divide_the_images(names):
    assert divided(*names) == ({"all": list(names)}, [])


def test_the_rest_is_divided_where_only_what_tests_is_told():
    assert divided("test/1.jpg", "2.jpg") == ({"test": ["test/1.jpg"], "all": ["2.jpg"]}, [])


def test_the_rest_trains_where_only_what_validates_is_told():
    assert divided("val/1.jpg", "2.jpg") == ({"train": ["2.jpg"], "val": ["val/1.jpg"]}, ["split-of-the-rest"])


def test_the_rest_is_left_out_where_all_is_told():
    found = {"train": ["train/3.jpg"], "val": ["val/1.jpg"]}
    assert divided("val/1.jpg", "2.jpg", "train/3.jpg") == (found, ["unlisted-annotations"])


@pytest.mark.parametrize(
    ("split", "alone", "kinds"),
    [("all", True, []), ("train", True, ["splits-differ"]), ("train", False, ["splits-contradict"])],
)
def test_what_is_stated_of_an_image_and_of_its_file(split, alone, kinds):
    stated, problems = StatedSplits("a.csv"), []
    stated.add("1", "TRAIN")
    stated.add("2", " Validation ")
    stated.add("2", None)
    names = {"1": "1.jpg", "2": "2.jpg"}
    splits = stated.divide(split, records("1.jpg", "2.jpg"), alone=alone, names=names, problems=problems)
    assert {name: of_split.names() for name, of_split in splits.items()} == {"train": ["1.jpg"], "val": ["2.jpg"]}
    assert [problem.what for problem in problems] == kinds
