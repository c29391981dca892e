from __future__ import annotations

import os

import pytest
from tests.data.layouts import SAMPLES, write_voc

from torchghm.data import DataError, load_data


def test_a_list_that_is_a_pipe_or_links_out_is_named(tmp_path):
    root = write_voc(tmp_path / "data")
    file = root / "ImageSets" / "Main" / "val.txt"
    file.rename(tmp_path / "val.txt")
    file.symlink_to(tmp_path / "val.txt")
    with pytest.raises(DataError, match=r"val\.txt: path-outside"):
        load_data(root)
    file.unlink()
    os.mkfifo(file)
    assert "val" not in load_data(root, val_fraction=0).splits


def test_annotations_that_no_list_names_are_counted(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "train.txt").write_text("a\nc\n")
    data = load_data(root)
    unlisted = [problem for problem in data.problems if problem.what == "unlisted-annotations"]
    assert [(problem.file, problem.count, problem.fatal) for problem in unlisted] == [("Annotations", 1, False)]
    assert "b.xml" in unlisted[0].detail


def test_without_lists_all_images_are_divided(tmp_path):
    data = load_data(write_voc(tmp_path / "data", lists=False))
    assert sorted(name for records in data.splits.values() for name in records.names()) == [
        f"JPEGImages/{sample.name}" for sample in SAMPLES
    ]
    assert list(data.splits) == ["train", "val", "test"]


def test_two_lists_of_one_split(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "valid.txt").write_text("")
    with pytest.raises(DataError, match=r"valid\.txt: duplicate-split: is a second list of 'val'"):
        load_data(root)
